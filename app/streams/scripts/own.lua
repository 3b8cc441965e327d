#!lua flags=allow-oom
-- Take one partition of an ordered subscription, if nobody else works on it.
--
-- Invariant: one lease at a time, and never before everything that an earlier
-- lease held has been given back, so that order holds over a kill.
--
-- KEYS  1 the owners, 2... the partition's streams
-- ARGV  1 subscription:partition, 2 consumer, 3 group
-- Returns 1 where it is taken.
local owner = redis.call('HGET', KEYS[1], ARGV[1])
if owner and owner ~= ARGV[2] then return 0 end
for i = 2, #KEYS do
  local pending = redis.pcall('XPENDING', KEYS[i], ARGV[3])
  if pending.err then
    -- A group that is not there yet (the next read makes it) has nothing pending.
    if not string.find(pending.err, 'NOGROUP', 1, true) then return pending end
  elseif pending[1] > 0 then
    for _, consumer in ipairs(pending[4]) do
      if consumer[1] ~= ARGV[2] then return 0 end
    end
  end
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return 1
