#!lua flags=allow-oom
-- Asks that the entries of a job which exist now be dropped; a parked one is freed, so that it is dropped now.
-- KEYS cancelled later   ARGV job-id entry-id ('': not known)   ->  now ms
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
redis.call('ZADD', KEYS[1], 'GT', string.format('%.0f', now), ARGV[1])
if ARGV[2] ~= '' then redis.call('ZADD', KEYS[2], 'XX', '0', ARGV[2]) end
return now
