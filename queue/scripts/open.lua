#!lua flags=allow-oom
-- Makes stream, group and incarnation where they are missing.
-- KEYS jobs meta   ARGV a fresh incarnation   ->  incarnation, 1 when the group was made
local made = redis.pcall('XGROUP', 'CREATE', KEYS[1], 'mill', '0', 'MKSTREAM')
if made.err and not string.find(made.err, 'BUSYGROUP', 1, true) then
  return made
end
redis.call('HSETNX', KEYS[2], 'incarnation', ARGV[1])
return {redis.call('HGET', KEYS[2], 'incarnation'), made.err and 0 or 1}
