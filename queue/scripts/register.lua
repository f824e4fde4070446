#!lua flags=allow-oom
-- KEYS sm:queues   ARGV names
return redis.call('SADD', KEYS[1], unpack(ARGV))
