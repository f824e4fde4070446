#!lua flags=allow-oom
-- Settles entries the worker still owns (burials, cancellations).
-- KEYS jobs tries   ARGV worker ids..   ->  1 or 0 for each
local answer = {}
for i = 2, #ARGV do
  local row = redis.call('XPENDING', KEYS[1], 'mill', ARGV[i], ARGV[i], 1, ARGV[1])
  if #row > 0 then
    redis.call('XDEL', KEYS[1], ARGV[i])
    redis.call('XACK', KEYS[1], 'mill', ARGV[i])
    redis.call('HDEL', KEYS[2], ARGV[i])
  end
  answer[#answer + 1] = #row > 0 and 1 or 0
end
return answer
