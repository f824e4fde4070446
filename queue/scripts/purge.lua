#!lua flags=allow-oom
-- Which entries wait, that is, no worker has them; with `delete` they are deleted.
-- KEYS jobs later tries   ARGV look | delete, ids..   ->  for each 1: it waits (waited), 0: a worker has it, -1: it was gone
local function owner(id)
  local rows = redis.pcall('XPENDING', KEYS[1], 'mill', id, id, 1) -- without a group nobody has it
  return not rows.err and rows[1] and rows[1][2] or ':'
end
local answer = {}
for i = 2, #ARGV do
  local id = ARGV[i]
  answer[i - 1] = 1
  if string.sub(owner(id), 1, 1) ~= ':' then
    answer[i - 1] = 0
  elseif ARGV[1] == 'delete' then
    if redis.call('XDEL', KEYS[1], id) == 0 then answer[i - 1] = -1 end
    redis.call('XACK', KEYS[1], 'mill', id)
    redis.call('ZREM', KEYS[2], id)
    redis.call('HDEL', KEYS[3], id)
  end
end
return answer
