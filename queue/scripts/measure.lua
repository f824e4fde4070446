#!lua flags=allow-oom
-- The bytes of entries, without sending them.
-- KEYS jobs   ARGV ids..   ->  bytes of each, -1: it is gone
local answer = {}
for i = 1, #ARGV do
  local row, bytes = redis.call('XRANGE', KEYS[1], ARGV[i], ARGV[i])[1], -1
  if row then
    bytes = 0
    for _, part in ipairs(row[2]) do bytes = bytes + #part end
  end
  answer[i] = bytes
end
return answer
