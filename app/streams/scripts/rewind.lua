#!lua flags=allow-oom
-- Move a subscription's position in all its streams, and fence whoever still works.
--
-- Invariant: the decision (a new generation, and a shut gate) is in force in the
-- same step after which nothing of the streams is pending: no lease that was
-- open can settle, and the next read begins after the new position. What was in
-- hand from before that position would be read by nobody: it goes to the
-- `again` stream in this step, unless the backlog is to be left out.
-- Full memory doesn't refuse it (flags above): leaving a backlog out makes room.
--
-- KEYS  1 the control hash, 2 the bell, then each stream and its `again` stream
-- ARGV  1 group, 2 the id after which it goes on, 3 the generation until now,
--       4 "skip" or "", 5 what rings for everybody, 6 the decision's field, 7 the decision
-- Returns how many deliveries were fenced.
local control, bell, group, position = KEYS[1], KEYS[2], ARGV[1], ARGV[2]
local given_back, fenced = 0, 0

redis.call('HSET', control, ARGV[6], ARGV[7])
redis.call('HINCRBY', control, 'version', 1)
redis.call('XADD', bell, 'MAXLEN', '~', 1000, '*', 's', ARGV[5])

local function give_back(stream, again)
  while true do
    local pending = redis.call('XPENDING', stream, group, '-', position, 500)
    if #pending == 0 then return end
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
end

local function fence(stream)
  while true do
    local pending = redis.call('XPENDING', stream, group, '-', '+', 500)
    if #pending == 0 then return end
    for _, entry in ipairs(pending) do
      redis.call('XACK', stream, group, entry[1])
      fenced = fenced + 1
    end
  end
end

for i = 3, #KEYS, 2 do
  if ARGV[4] ~= 'skip' then give_back(KEYS[i], KEYS[i + 1]) end
  fence(KEYS[i])
  redis.call('XGROUP', 'SETID', KEYS[i], group, position)
end
if given_back > 0 then redis.call('XADD', bell, 'MAXLEN', '~', 1000, '*', 's', group) end
return given_back + fenced
