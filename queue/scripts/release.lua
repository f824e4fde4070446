#!lua flags=allow-oom
-- Hands back to :free what the worker still owns.
-- KEYS jobs   ARGV worker ids..   ->  how many
local n = 0
for i = 2, #ARGV do
  local row = redis.call('XPENDING', KEYS[1], 'mill', ARGV[i], ARGV[i], 1, ARGV[1])
  if #row > 0 then
    redis.call('XCLAIM', KEYS[1], 'mill', ':free', 0, ARGV[i], 'JUSTID')
    n = n + 1
  end
end
return n
