#!lua flags=allow-oom
-- Which entries are alive: in the stream, and pending or not delivered yet. One that is in nobody's list goes to :free.
-- KEYS jobs tries   ARGV ids..   ->  1 or 0 for each
local last -- the newest delivered; nil without a group: then nothing is
local groups = redis.pcall('XINFO', 'GROUPS', KEYS[1])
for _, group in ipairs(groups.err and {} or groups) do
  local of = {}
  for i = 1, #group, 2 do of[group[i]] = group[i + 1] end
  if of['name'] == 'mill' then last = of['last-delivered-id'] end
end

local function greater(a, b) -- decimal text: doubles end at 2^53
  if #a ~= #b then return #a > #b end
  return a > b
end

local function delivered(id)
  if not last then return false end
  local ms, seq = string.match(id, '^(%d+)-(%d+)$')
  local last_ms, last_seq = string.match(last, '^(%d+)-(%d+)$')
  if ms ~= last_ms then return greater(last_ms, ms) end
  return not greater(seq, last_seq)
end

local answer = {}
for i, id in ipairs(ARGV) do
  local row = last and redis.call('XPENDING', KEYS[1], 'mill', id, id, 1)[1]
  local there
  if row then -- claimed for whoever owns it: XCLAIM drops an id whose body is gone
    there = redis.call('XCLAIM', KEYS[1], 'mill', row[2], 0, id, 'IDLE', row[3], 'JUSTID')
    if #there == 0 then redis.call('HDEL', KEYS[2], id) end
  elseif delivered(id) then
    there = redis.call('XCLAIM', KEYS[1], 'mill', ':free', 0, id, 'FORCE', 'JUSTID')
  else
    there = redis.call('XRANGE', KEYS[1], id, id)
  end
  answer[i] = #there > 0 and 1 or 0
end
return answer
