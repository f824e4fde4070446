#!lua flags=no-writes
-- The id of the newest entry that there ever was, deleted ones too.
-- KEYS jobs   ->  id, '0-0' without a stream
local info = redis.pcall('XINFO', 'STREAM', KEYS[1], 'FULL', 'COUNT', 1)
for i = 1, info.err and 0 or #info, 2 do
  if info[i] == 'last-generated-id' then return info[i + 1] end
end
return '0-0'
