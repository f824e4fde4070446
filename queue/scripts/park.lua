#!lua flags=allow-oom
-- Parks an owned entry until it is due, if its failed attempts are still those the caller knew.
-- KEYS jobs later tries   ARGV worker id due-ms expected-attempts new-tries ('': none)   ->  1 done, 0 not
local row = redis.call('XPENDING', KEYS[1], 'mill', ARGV[2], ARGV[2], 1, ARGV[1])
if #row == 0 then return 0 end
local tries = redis.call('HGET', KEYS[3], ARGV[2]) or '0'
if string.match(tries, '^%d+') ~= ARGV[4] then return 0 end
if #redis.call('XCLAIM', KEYS[1], 'mill', ':later', 0, ARGV[2], 'JUSTID') == 0 then
  redis.call('HDEL', KEYS[3], ARGV[2]) -- its body is gone
  return 0
end
redis.call('ZADD', KEYS[2], ARGV[3], ARGV[2])
if ARGV[5] ~= '' then
  redis.call('HSET', KEYS[3], ARGV[2], ARGV[5])
else
  redis.call('HDEL', KEYS[3], ARGV[2])
end
return 1
