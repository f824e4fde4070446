#!lua flags=allow-oom
-- Lets a suspect run, alone in its process and as the only one of its queue, and charges it for the case that it
-- does not return. What ends it (settle, drop, park) takes the charge back.
-- KEYS jobs tries meta   ARGV worker id takes   ->  1 charged: start it; 0 another one runs alone now; -1 not owned
if #redis.call('XPENDING', KEYS[1], 'mill', ARGV[2], ARGV[2], 1, ARGV[1]) == 0 then return -1 end
local attempts, crashes, evident, losses, again, takes =
  string.match(redis.call('HGET', KEYS[2], ARGV[2]) or '0 0 0 0 0 0', '^(%d+) (%d+) (%d+) (%d+) (%d+) (%d+)$')
if takes ~= ARGV[3] then return -1 end
local mine = ARGV[1] .. ' ' .. ARGV[2]
local alone = redis.call('HGET', KEYS[3], 'alone')
if alone and alone ~= mine then
  local worker, id = string.match(alone, '^(%S+) (%S+)$')
  if worker and #redis.call('XPENDING', KEYS[1], 'mill', id, id, 1, worker) > 0 then return 0 end
end
redis.call('HSET', KEYS[3], 'alone', mine)
redis.call('HSET', KEYS[2], ARGV[2],
  string.format('%.0f %.0f %.0f %.0f %.0f %.0f', attempts, crashes + 1, evident, losses, again, takes))
return 1
