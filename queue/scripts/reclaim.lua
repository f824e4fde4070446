#!lua flags=allow-oom
-- Gives entries of a dead worker to :free and notes what its death says of them; strikes the worker off when it
-- has none left. A row of tries is `attempts crashes evident losses again takes`.
-- KEYS jobs workers tries meta
-- ARGV worker, seen score (-1: death is proven), most, doubt (all | listed), 1 when a job is known to be at fault,
--      then with `listed` the ids that were running, '!' before the one that faulted
-- ->  moved, 1 when some are left; -1, 0 when the score has changed
if ARGV[2] ~= '-1' and (redis.call('ZSCORE', KEYS[2], ARGV[1]) or '0') ~= ARGV[2] then
  return {-1, 0}
end
local running, faulted = {}, nil
for i = 6, #ARGV do
  if string.sub(ARGV[i], 1, 1) == '!' then
    faulted = string.sub(ARGV[i], 2)
  else
    running[ARGV[i]] = true
  end
end
local alone = redis.call('HGET', KEYS[4], 'alone')
local known = ARGV[5] == '1'

local function note(id)
  local lone = alone == ARGV[1] .. ' ' .. id -- it was charged before it started
  local doubted = not faulted and (ARGV[4] == 'all' or running[id])
  if not (lone or doubted or id == faulted) then return end
  local attempts, crashes, evident, losses, rest =
    string.match(redis.call('HGET', KEYS[3], id) or '0 0 0 0 0 0', '^(%d+) (%d+) (%d+) (%d+) (.*)$')
  if lone then
    if not (id == faulted or (known and not faulted)) then return end
    evident = evident + 1
  elseif id == faulted then
    crashes, evident = crashes + 1, evident + 1
  else
    losses = known and math.max(losses + 1, 2) or losses + 1 -- with a job at fault one loss is enough to suspect
  end
  redis.call('HSET', KEYS[3], id, string.format('%.0f %.0f %.0f %.0f %s', attempts, crashes, evident, losses, rest))
end

local rows = redis.pcall('XPENDING', KEYS[1], 'mill', '-', '+', ARGV[3], ARGV[1])
if rows.err then rows = {} end -- no stream or group: nothing is owned
if #rows > 0 then
  local claim = {'XCLAIM', KEYS[1], 'mill', ':free', 0}
  for _, row in ipairs(rows) do claim[#claim + 1] = row[1] end
  claim[#claim + 1] = 'JUSTID'
  for _, id in ipairs(redis.call(unpack(claim))) do note(id) end
end
local left = redis.pcall('XPENDING', KEYS[1], 'mill', '-', '+', 1, ARGV[1])
if not left.err and #left > 0 then return {#rows, 1} end
redis.pcall('XGROUP', 'DELCONSUMER', KEYS[1], 'mill', ARGV[1])
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('HDEL', KEYS[4], 'lease:' .. ARGV[1])
return {#rows, 0}
