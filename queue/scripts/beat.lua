#!lua flags=allow-oom
-- The worker is alive, by Redis's clock. Without group or meta nothing is written.
-- KEYS workers meta jobs   ARGV worker   ->  now ms, 1 when group or meta is gone, 1 when paused, last score
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local last = redis.call('ZSCORE', KEYS[1], ARGV[1])
local missing = 1
local groups = redis.pcall('XINFO', 'GROUPS', KEYS[3])
if not groups.err and redis.call('HEXISTS', KEYS[2], 'incarnation') == 1 then
  for _, group in ipairs(groups) do
    if group[2] == 'mill' then missing = 0 end
  end
end
local paused = redis.call('HGET', KEYS[2], 'paused') == '1' and 1 or 0
if missing == 0 then redis.call('ZADD', KEYS[1], string.format('%.0f', now), ARGV[1]) end
return {now, missing, paused, last or '0'}
