#!lua flags=no-writes
-- How far groups are behind in their streams.
--
-- Invariant: a look, which changes nothing. What is unread is known by asking
-- for the entry after the last delivered one, since the server's own `lag` may
-- be missing or wrong after deletions.
--
-- KEYS  the streams
-- ARGV  for each stream, how many groups and their names
-- Returns for each group of each stream: how many are unread (-1 where nobody
-- knows), how many are open, and the position of the first unread ('' for none).
local found, at = {}, 1
for _, stream in ipairs(KEYS) do
  local reply = redis.pcall('XINFO', 'GROUPS', stream)
  if reply.err then
    if not string.find(reply.err, 'no such key', 1, true) then return reply end
    reply = {}
  end
  local groups = {}
  for _, row in ipairs(reply) do
    local group = {}
    for i = 1, #row, 2 do group[row[i]] = row[i + 1] end
    groups[group['name']] = group
  end
  local count = tonumber(ARGV[at])
  for i = at + 1, at + count do
    local group = groups[ARGV[i]]
    local after = group and '(' .. group['last-delivered-id'] or '-'
    local first = redis.call('XRANGE', stream, after, '+', 'COUNT', 1)[1]
    local unread = 0
    if first and group then
      unread = group['lag'] or -1
    elseif first then
      unread = redis.call('XLEN', stream)
    end
    found[#found + 1] = unread
    found[#found + 1] = group and group['pending'] or 0
    found[#found + 1] = first and first[1] or ''
  end
  at = at + count + 1
end
return found
