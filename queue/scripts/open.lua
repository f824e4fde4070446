#!lua flags=allow-oom
-- Makes stream, group and incarnation where they are missing. A group made anew over entries delivers them all again,
-- the parked ones too: `remade` is the last of those, so that workers look up to there before they believe a delivery.
-- KEYS jobs meta   ARGV a fresh incarnation   ->  incarnation, remade
local made = redis.pcall('XGROUP', 'CREATE', KEYS[1], 'mill', '0', 'MKSTREAM')
if made.err and not string.find(made.err, 'BUSYGROUP', 1, true) then
  return made
end
local fresh = redis.call('HSETNX', KEYS[2], 'incarnation', ARGV[1])
if not made.err and fresh == 0 then
  local info = redis.call('XINFO', 'STREAM', KEYS[1], 'FULL', 'COUNT', 1)
  for i = 1, #info, 2 do
    if info[i] == 'last-generated-id' then redis.call('HSET', KEYS[2], 'remade', info[i + 1]) end
  end
end
return {redis.call('HGET', KEYS[2], 'incarnation'), redis.call('HGET', KEYS[2], 'remade') or '0-0'}
