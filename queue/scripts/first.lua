#!lua flags=no-writes
-- The id of the oldest entry, without sending its body.
-- KEYS jobs   ->  id, '' when the stream is empty
local row = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1]
return row and row[1] or ''
