#!lua flags=allow-oom
-- Move a subscription's position in one stream, and fence whoever still works.
--
-- Invariant: after this step nothing of the stream is pending, so no lease
-- that was open can settle, and the next read begins after the new position.
-- What was in hand from before that position would be read by nobody: it goes
-- to the `again` stream in the same step, unless the backlog is to be left out.
-- The caller raises the generation in the same transaction.
--
-- KEYS  1 the stream, 2 the `again` stream, 3 the bell
-- ARGV  1 group, 2 the id after which it goes on, 3 the generation until now,
--       4 "skip" or ""
-- Returns how many deliveries were fenced.
local stream, again, group, position = KEYS[1], KEYS[2], ARGV[1], ARGV[2]
local given_back = 0
while ARGV[4] ~= 'skip' do
  local pending = redis.call('XPENDING', stream, group, '-', position, 500)
  if #pending == 0 then break end
  for _, entry in ipairs(pending) do
    local id = entry[1]
    local found = redis.call('XRANGE', stream, id, id)[1]
    if found then
      local fields = found[2]
      for _, more in ipairs({'g', ARGV[3], 'o', stream .. ' ' .. id}) do fields[#fields + 1] = more end
      redis.call('XADD', again, '*', unpack(fields))
    end
    redis.call('XACK', stream, group, id)
    given_back = given_back + 1
  end
end
local fenced = given_back
while true do
  local pending = redis.call('XPENDING', stream, group, '-', '+', 500)
  if #pending == 0 then break end
  for _, entry in ipairs(pending) do
    redis.call('XACK', stream, group, entry[1])
    fenced = fenced + 1
  end
end
redis.call('XGROUP', 'SETID', stream, group, position)
if given_back > 0 then redis.call('XADD', KEYS[3], 'MAXLEN', '~', '1000', '*', 's', group) end
return fenced
