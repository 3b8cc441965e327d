#!lua flags=no-writes
-- Who is known to groups as a consumer, and so may hold something.
--
-- Invariant: a look, which changes nothing; a group without consumers is passed
-- over, as nearly all of an idle installation's are.
--
-- KEYS  the streams
-- Returns stream, group and consumer of each, one after the other.
local function told(row)
  local found = {}
  for i = 1, #row, 2 do found[row[i]] = row[i + 1] end
  return found
end
local found = {}
for _, stream in ipairs(KEYS) do
  local groups = redis.pcall('XINFO', 'GROUPS', stream)
  if groups.err then
    if not string.find(groups.err, 'no such key', 1, true) then return groups end
    groups = {}
  end
  for _, row in ipairs(groups) do
    local group = told(row)
    if group['consumers'] > 0 then
      for _, each in ipairs(redis.call('XINFO', 'CONSUMERS', stream, group['name'])) do
        found[#found + 1] = stream
        found[#found + 1] = group['name']
        found[#found + 1] = told(each)['name']
      end
    end
  end
end
return found
