#!lua flags=allow-oom
-- Frees what is due, then takes up to `want` from :free.
-- KEYS jobs later tries   ARGV worker want   ->  ms to the next due (-1: none), then id, tries ('' none) ..
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local due = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now, 'LIMIT', 0, 100)
if #due > 0 then
  local claim = {'XCLAIM', KEYS[1], 'mill', ':free', 0}
  for _, id in ipairs(due) do claim[#claim + 1] = id end
  claim[#claim + 1] = 'JUSTID'
  redis.call(unpack(claim))
  redis.call('ZREM', KEYS[2], unpack(due))
end
local first = redis.call('ZRANGE', KEYS[2], 0, 0, 'WITHSCORES')
local answer = {first[2] and math.max(0, first[2] - now) or -1}
local want = tonumber(ARGV[2])
if want > 0 then
  local free = redis.call('XPENDING', KEYS[1], 'mill', '-', '+', want, ':free')
  if #free > 0 then
    local claim = {'XCLAIM', KEYS[1], 'mill', ARGV[1], 0}
    for _, row in ipairs(free) do claim[#claim + 1] = row[1] end
    claim[#claim + 1] = 'JUSTID'
    for _, id in ipairs(redis.call(unpack(claim))) do
      answer[#answer + 1] = id
      answer[#answer + 1] = redis.call('HGET', KEYS[3], id) or ''
    end
  end
end
return answer
