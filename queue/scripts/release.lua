#!lua flags=allow-oom
-- Hands back to :free what the worker still owns, uncharged.
-- KEYS jobs tries   ARGV worker ids..   ->  how many
local claim, asked = {'XCLAIM', KEYS[1], 'mill', ':free', 0}, {}
for i = 2, #ARGV do
  local row = redis.call('XPENDING', KEYS[1], 'mill', ARGV[i], ARGV[i], 1, ARGV[1])
  if #row > 0 then
    claim[#claim + 1] = ARGV[i]
    asked[#asked + 1] = ARGV[i]
  end
end
if #asked == 0 then return 0 end
claim[#claim + 1] = 'JUSTID'
local freed, is = redis.call(unpack(claim)), {}
for _, id in ipairs(freed) do is[id] = true end
for _, id in ipairs(asked) do
  if not is[id] then redis.call('HDEL', KEYS[2], id) end -- its body is gone
end
return #freed
