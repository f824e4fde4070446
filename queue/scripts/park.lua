#!lua flags=allow-oom
-- Parks owned entries until they are due; what is due already goes back to :free. `takes` is the last number of a row of
-- tries: it fences off a command that comes late, when the same worker has taken the entry again. One whose job was asked
-- to be cancelled while the worker had it does not wait: the request made a parked entry due, and this one was not there.
-- KEYS jobs later tries cancelled   ARGV worker, then for each: id, takes, due ms, new tries ('': none), job id
-- ->  1 parked, 0 not, for each
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local answer = {}
local function park(id, takes, due, fresh, job)
  if #redis.call('XPENDING', KEYS[1], 'mill', id, id, 1, ARGV[1]) == 0 then return 0 end
  local row = redis.call('HGET', KEYS[3], id)
  if (row and string.match(row, '%d+$') or '0') ~= takes then return 0 end
  local asked = tonumber(redis.call('ZSCORE', KEYS[4], job) or -1)
  local later = tonumber(due) > now and asked < tonumber(string.match(id, '^%d+'))
  if later then redis.call('ZADD', KEYS[2], due, id) end -- first: were it refused, nobody would know when
  if #redis.call('XCLAIM', KEYS[1], 'mill', later and ':later' or ':free', 0, id, 'JUSTID') == 0 then
    redis.call('HDEL', KEYS[3], id) -- its body is gone
    redis.call('ZREM', KEYS[2], id)
    return 0
  end
  if fresh ~= '' then
    redis.call('HSET', KEYS[3], id, fresh)
  elseif row then
    redis.call('HDEL', KEYS[3], id)
  end
  return 1
end
for i = 2, #ARGV, 5 do
  answer[#answer + 1] = park(ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], ARGV[i + 4])
end
return answer
