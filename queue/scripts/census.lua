#!lua flags=no-writes
-- Who consumes this queue, but for the asker: every consumer of the group and everyone who is listed.
-- KEYS jobs workers meta   ARGV worker   ->  now ms, then name, score ('0': not listed), lease ms ('0': unknown) ..
local t = redis.call('TIME')
local answer = {t[1] * 1000 + math.floor(t[2] / 1000)}
local seen = {[ARGV[1]] = true, [':free'] = true, [':later'] = true}
local function add(name, score)
  if seen[name] or #answer > 3000 then return end
  seen[name] = true
  answer[#answer + 1] = name
  answer[#answer + 1] = score or '0'
  answer[#answer + 1] = redis.call('HGET', KEYS[3], 'lease:' .. name) or '0'
end
local listed = redis.call('ZRANGE', KEYS[2], 0, 999, 'WITHSCORES')
for i = 1, #listed, 2 do add(listed[i], listed[i + 1]) end
local consumers = redis.pcall('XINFO', 'CONSUMERS', KEYS[1], 'mill')
if not consumers.err then
  for _, row in ipairs(consumers) do add(row[2]) end
end
return answer
