#!lua flags=allow-oom
-- A worker that was given up without proof has left its box: what it was not running when it died had no part in it.
-- KEYS jobs tries   ARGV ids..   ->  how many
local pardoned = 0
for _, id in ipairs(ARGV) do
  local attempts, crashes, evident, losses, rest =
    string.match(redis.call('HGET', KEYS[2], id) or '', '^(%d+) (%d+) (%d+) (%d+) (.*)$')
  if losses and tonumber(losses) > 0 then
    redis.call('HSET', KEYS[2], id,
      string.format('%.0f %.0f %.0f %.0f %s', attempts, crashes, evident, losses - 1, rest))
    pardoned = pardoned + 1
  end
end
return pardoned
