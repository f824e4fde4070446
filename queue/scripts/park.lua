#!lua flags=allow-oom
-- Parks owned entries until they are due, each if its failed attempts are still those the caller knew.
-- KEYS jobs later tries   ARGV worker, then for each: id, due ms, expected attempts, new tries ('': none)
-- ->  1 parked, 0 not, for each
local answer = {}
local function park(id, due, expected, fresh)
  if #redis.call('XPENDING', KEYS[1], 'mill', id, id, 1, ARGV[1]) == 0 then return 0 end
  local tries = redis.call('HGET', KEYS[3], id) or '0'
  if string.match(tries, '^%d+') ~= expected then return 0 end
  if #redis.call('XCLAIM', KEYS[1], 'mill', ':later', 0, id, 'JUSTID') == 0 then
    redis.call('HDEL', KEYS[3], id) -- its body is gone
    return 0
  end
  redis.call('ZADD', KEYS[2], due, id)
  if fresh ~= '' then
    redis.call('HSET', KEYS[3], id, fresh)
  else
    redis.call('HDEL', KEYS[3], id)
  end
  return 1
end
for i = 2, #ARGV, 4 do
  answer[#answer + 1] = park(ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3])
end
return answer
