#!lua flags=allow-oom
-- Asks that the entries of a job which exist now be dropped; a parked one becomes due, so that it is dropped now. The time
-- of the request is not before the newest entry's: a clock that was set back must not spare what is there.
-- KEYS cancelled later jobs   ARGV job-id entry-id ('': not known)   ->  time of the request, ms
local t = redis.call('TIME')
local at = t[1] * 1000 + math.floor(t[2] / 1000)
local info = redis.pcall('XINFO', 'STREAM', KEYS[3], 'FULL', 'COUNT', 1)
for i = 1, info.err and 0 or #info, 2 do
  if info[i] == 'last-generated-id' then at = math.max(at, tonumber(string.match(info[i + 1], '^%d+'))) end
end
redis.call('ZADD', KEYS[1], 'GT', string.format('%.0f', at), ARGV[1])
if ARGV[2] ~= '' then redis.call('ZADD', KEYS[2], 'XX', '0', ARGV[2]) end
return at
