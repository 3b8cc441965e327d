#!lua flags=allow-oom
-- Drop what nobody needs any more from streams.
-- (Where memory is full, this is what frees it.)
--
-- Invariant: what a group still needs stays, however old: its oldest pending
-- entry, or the one after its last delivered, and all that follow. A group that
-- is made meanwhile finds either everything or what was kept: looking and
-- cutting are one step.
--
-- KEYS  the streams
-- ARGV  the milliseconds since 1970 from which on everything stays, then the
--       groups that hold nothing back
-- Returns how many entries were dropped.
local function order(position)
  local milliseconds, number = string.match(position, '^(%d+)-(%d+)$')
  return tonumber(milliseconds), tonumber(number)
end
local retired = {}
for i = 2, #ARGV do retired[ARGV[i]] = true end
local dropped = 0
for _, stream in ipairs(KEYS) do
  local groups = redis.pcall('XINFO', 'GROUPS', stream)
  if groups.err then
    if not string.find(groups.err, 'no such key', 1, true) then return groups end
  else
    local since, first = tonumber(ARGV[1]), 0
    for _, row in ipairs(groups) do
      local group = {}
      for i = 1, #row, 2 do group[row[i]] = row[i + 1] end
      if not retired[group['name']] then
        local milliseconds, number = order(group['last-delivered-id'])
        number = number + 1
        if group['pending'] > 0 then
          milliseconds, number = order(redis.call('XPENDING', stream, group['name'])[2])
        end
        if milliseconds < since or (milliseconds == since and number < first) then
          since, first = milliseconds, number
        end
      end
    end
    if since > 0 or first > 0 then
      local bound = string.format('%.0f-%.0f', since, first)
      dropped = dropped + redis.call('XTRIM', stream, 'MINID', bound)
    end
  end
end
return dropped
