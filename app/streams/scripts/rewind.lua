#!lua flags=allow-oom
-- Move a subscription's position in one stream, and fence whoever still works.
--
-- Invariant: after this step nothing of the stream is pending, so no lease
-- that was open can settle, and the next read begins after the new position.
-- The caller raises the generation in the same transaction.
--
-- KEYS  1 the stream
-- ARGV  1 group, 2 the id after which it goes on
-- Returns how many deliveries were fenced.
local fenced = 0
while true do
  local pending = redis.call('XPENDING', KEYS[1], ARGV[1], '-', '+', 500)
  if #pending == 0 then break end
  for _, entry in ipairs(pending) do
    redis.call('XACK', KEYS[1], ARGV[1], entry[1])
    fenced = fenced + 1
  end
end
redis.call('XGROUP', 'SETID', KEYS[1], ARGV[1], ARGV[2])
return fenced
