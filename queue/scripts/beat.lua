#!lua flags=allow-oom
-- The worker is alive, by Redis's clock. Without group or meta nothing is written.
-- KEYS workers meta jobs cancelled later tries   ARGV worker lease-ms
-- ->  now ms, 1 when group or meta is gone, 1 when paused, last score, time of the newest cancel request
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local last = redis.call('ZSCORE', KEYS[1], ARGV[1])
local missing = 1
local delivered = '0-0'
local groups = redis.pcall('XINFO', 'GROUPS', KEYS[3])
if not groups.err and redis.call('HEXISTS', KEYS[2], 'incarnation') == 1 then
  for _, group in ipairs(groups) do
    if group[2] == 'mill' then
      missing = 0
      delivered = group[8]
    end
  end
end
local paused = redis.call('HGET', KEYS[2], 'paused') == '1' and 1 or 0
if missing == 0 then
  redis.call('ZADD', KEYS[1], string.format('%.0f', now), ARGV[1])
  if not last then redis.call('HSET', KEYS[2], 'lease:' .. ARGV[1], ARGV[2]) end
end

-- What says something of entries goes with the last of them: requests to cancel, and what late commands left behind.
-- A request has nothing left to say, too, once all that is older has gone.
local newest = redis.call('ZRANGE', KEYS[4], -1, -1, 'WITHSCORES')[2]
if missing == 0 and redis.call('XLEN', KEYS[3]) == 0 then
  redis.call('DEL', KEYS[4], KEYS[5], KEYS[6])
  local parked = redis.call('XPENDING', KEYS[3], 'mill', '-', '+', 100, ':later') -- deleted by a stranger
  for _, row in ipairs(parked) do redis.call('XACK', KEYS[3], 'mill', row[1]) end
elseif missing == 0 and newest then
  local oldest = redis.call('XPENDING', KEYS[3], 'mill', '-', '+', 1)[1]
  local ms = string.match(oldest and oldest[1] or delivered, '^%d+')
  redis.call('ZREMRANGEBYSCORE', KEYS[4], '-inf', '(' .. ms)
end
return {now, missing, paused, last or '0', newest or '0'}
