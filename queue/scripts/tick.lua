#!lua flags=allow-oom
-- Frees what is due, then takes up to `want` from :free, each with one more in the last number of its tries, the takes.
-- An entry that came to :free while it still has a time in later (under a group made anew it was delivered again, and
-- its worker died before it had parked it) is parked again.
-- KEYS jobs later tries cancelled   ARGV worker want
-- ->  ms to the next due (-1: none), time of the newest request to cancel (0: none stands), then id, tries ..
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)

-- XCLAIM names only what it moved; what it drops because its body is gone leaves no tries behind
local function move(to, ids)
  local claim = {'XCLAIM', KEYS[1], 'mill', to, 0}
  for _, id in ipairs(ids) do claim[#claim + 1] = id end
  claim[#claim + 1] = 'JUSTID'
  local moved, is = redis.call(unpack(claim)), {}
  for _, id in ipairs(moved) do is[id] = true end
  for _, id in ipairs(ids) do
    if not is[id] then redis.call('HDEL', KEYS[3], id) end
  end
  return moved
end

local due = redis.call('ZRANGE', KEYS[2], '-inf', string.format('%.0f', now), 'BYSCORE', 'LIMIT', 0, 100)
if #due > 0 then
  local parked = {} -- an entry that somebody else owns by now must not be taken from him; what is no id is no entry
  for _, id in ipairs(due) do
    local pending = redis.pcall('XPENDING', KEYS[1], 'mill', id, id, 1, ':later')
    if not pending.err and #pending > 0 then parked[#parked + 1] = id end
  end
  if #parked > 0 then move(':free', parked) end
  redis.call('ZREM', KEYS[2], unpack(due))
end
local first = redis.call('ZRANGE', KEYS[2], 0, 0, 'WITHSCORES')
local newest = redis.call('ZRANGE', KEYS[4], -1, -1, 'WITHSCORES')[2]
local answer = {first[2] and math.max(0, first[2] - now) or -1, tonumber(newest or 0)}
local want = tonumber(ARGV[2])
local free = want > 0 and redis.call('XPENDING', KEYS[1], 'mill', '-', '+', want, ':free') or {}
if #free > 0 then
  local ids, early = {}, {}
  for _, row in ipairs(free) do
    local known = first[2] and redis.call('ZSCORE', KEYS[2], row[1])
    local into = known and tonumber(known) > now and early or ids
    into[#into + 1] = row[1]
  end
  if #early > 0 then move(':later', early) end
  for _, id in ipairs(#ids > 0 and move(ARGV[1], ids) or {}) do
    local rest, takes = string.match(redis.call('HGET', KEYS[3], id) or '0 0 0 0 0 0', '^(.*) (%d+)$')
    local row = string.format('%s %.0f', rest, takes + 1)
    redis.call('HSET', KEYS[3], id, row)
    answer[#answer + 1] = id
    answer[#answer + 1] = row
  end
end
return answer
