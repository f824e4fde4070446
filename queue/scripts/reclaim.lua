#!lua flags=allow-oom
-- Gives entries of a dead worker to :free; strikes it off when it has none left.
-- KEYS jobs workers   ARGV worker seen-score (-1: death is proven) most   ->  moved, 1 when some are left;
-- -1, 0 when the score has changed
if ARGV[2] ~= '-1' and (redis.call('ZSCORE', KEYS[2], ARGV[1]) or '0') ~= ARGV[2] then
  return {-1, 0}
end
local rows = redis.pcall('XPENDING', KEYS[1], 'mill', '-', '+', ARGV[3], ARGV[1])
if rows.err then rows = {} end -- no stream or group: nothing is owned
if #rows > 0 then
  local claim = {'XCLAIM', KEYS[1], 'mill', ':free', 0}
  for _, row in ipairs(rows) do claim[#claim + 1] = row[1] end
  claim[#claim + 1] = 'JUSTID'
  redis.call(unpack(claim))
end
local left = redis.pcall('XPENDING', KEYS[1], 'mill', '-', '+', 1, ARGV[1])
if not left.err and #left > 0 then return {#rows, 1} end
redis.pcall('XGROUP', 'DELCONSUMER', KEYS[1], 'mill', ARGV[1])
redis.call('ZREM', KEYS[2], ARGV[1])
return {#rows, 0}
