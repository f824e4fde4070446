#!lua flags=allow-oom
-- Notes which database's durable jobs come to the queue, where nobody's do yet.
-- KEYS meta   ARGV home   ->  the home that it belongs to
redis.call('HSETNX', KEYS[1], 'home', ARGV[1])
return redis.call('HGET', KEYS[1], 'home')
