#!lua flags=allow-oom
-- Hands back to :free what the worker still owns, uncharged; counts it in the fourth of its tries.
-- KEYS jobs tries   ARGV worker ids..   ->  how many
local claim = {'XCLAIM', KEYS[1], 'mill', ':free', 0}
for i = 2, #ARGV do
  local row = redis.call('XPENDING', KEYS[1], 'mill', ARGV[i], ARGV[i], 1, ARGV[1])
  if #row > 0 then claim[#claim + 1] = ARGV[i] end
end
if #claim == 5 then return 0 end
claim[#claim + 1] = 'JUSTID'
local freed = redis.call(unpack(claim)) -- without those whose body is gone: their pending ids are healed
for _, id in ipairs(freed) do
  local a, c, s, r = string.match(redis.call('HGET', KEYS[2], id) or '', '^(%d+) (%d+) (%d+) (%d+)$')
  if not a then a, c, s, r = '0', '0', '0', '0' end
  redis.call('HSET', KEYS[2], id, a .. ' ' .. c .. ' ' .. s .. ' ' .. string.format('%.0f', r + 1))
end
return #freed
