#!lua flags=allow-oom
-- Settles entries the worker still owns (burials, cancellations).
-- KEYS jobs tries   ARGV worker, then for each: id, takes   ->  1 or 0 for each
local answer = {}
for i = 2, #ARGV, 2 do
  local id = ARGV[i]
  local owned = #redis.call('XPENDING', KEYS[1], 'mill', id, id, 1, ARGV[1]) > 0
  local row = owned and redis.call('HGET', KEYS[2], id)
  owned = owned and (row and string.match(row, '%d+$') or '0') == ARGV[i + 1]
  if owned then
    redis.call('XDEL', KEYS[1], id)
    redis.call('XACK', KEYS[1], 'mill', id)
    redis.call('HDEL', KEYS[2], id)
  end
  answer[#answer + 1] = owned and 1 or 0
end
return answer
