#!lua flags=allow-oom
-- KEYS sm:worker:<id>   ARGV ttl-ms field value ..
local ttl = table.remove(ARGV, 1)
redis.call('HSET', KEYS[1], unpack(ARGV))
return redis.call('PEXPIRE', KEYS[1], ttl)
