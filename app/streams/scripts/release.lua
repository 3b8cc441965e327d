#!lua flags=allow-oom
-- Give back what a lease held: move it to the subscription's `again` stream.
--
-- Invariant: each entry that the consumer still has pending is in `again`
-- when it is acknowledged here, in one step: never in two hands, never in none.
-- The consumer is deleted only when nothing of it is pending. An entry that
-- was deleted from its stream is acknowledged and reported, never passed over.
-- Where the consumer is the only one of an ordered partition, what it gives
-- back of the `again` stream stays before what is still unread there.
--
-- KEYS  1 the stream, 2 the `again` stream, 3 the bell, 4 the owners
-- ARGV  1 group, 2 consumer, 3 generation of entries that come from a topic,
--       4 subscription, 5 how many at most,
--       6 "" or "suspect" (any of them may be why a process died),
--       7 "" or the id of the entry that was in hand when it died: a suspect too,
--       8 the field that counts its loss: l (its own process) or w (the whole worker),
--       9, 10 the first and the last id: "-" and "+" for everything
-- Returns {moved, missing, left}.
local stream, again, bell = KEYS[1], KEYS[2], KEYS[3]
local group, consumer, limit = ARGV[1], ARGV[2], tonumber(ARGV[5])
local moved, missing, first = 0, {}, nil
local ok, pending = pcall(redis.call, 'XPENDING', stream, group, ARGV[9], ARGV[10], limit, consumer)
if not ok or pending.err then return {0, {}, 0} end
for _, entry in ipairs(pending) do
  local id = entry[1]
  local found = redis.call('XRANGE', stream, id, id)[1]
  if found then
    local fields, has = found[2], {}
    for i = 1, #fields, 2 do has[fields[i]] = i + 1 end
    local function put(name, value)
      if has[name] then fields[has[name]] = value
      else fields[#fields + 1] = name; fields[#fields + 1] = value; has[name] = #fields end
    end
    if not has['g'] then put('g', ARGV[3]); put('o', stream .. ' ' .. id) end
    if ARGV[6] == 'suspect' or ARGV[7] == id then put('s', '1') end
    if ARGV[7] == id then
      local losses = has[ARGV[8]] and tonumber(fields[has[ARGV[8]]]) or 0
      put(ARGV[8], tostring(losses + 1))
    end
    local added = redis.call('XADD', again, '*', unpack(fields))
    first = first or added
    moved = moved + 1
  else
    missing[#missing + 1] = id
  end
  redis.call('XACK', stream, group, id)
  if stream == again then redis.call('XDEL', stream, id) end
end
local left = 0
if #pending == limit then
  left = #redis.call('XPENDING', stream, group, ARGV[9], ARGV[10], 1, consumer)
end
if first and stream == again
    and redis.call('HGET', KEYS[4], group .. ':' .. string.match(stream, ':(%d+)$')) == consumer then
  for _, info in ipairs(redis.call('XINFO', 'GROUPS', stream)) do
    local told = {}
    for i = 1, #info, 2 do told[info[i]] = info[i + 1] end
    if told['name'] == group then
      local unread = redis.call('XRANGE', stream, '(' .. told['last-delivered-id'], '(' .. first)
      for _, entry in ipairs(unread) do
        redis.call('XADD', stream, '*', unpack(entry[2]))
        redis.call('XDEL', stream, entry[1])
      end
    end
  end
end
if left == 0 and #redis.call('XPENDING', stream, group, '-', '+', 1, consumer) == 0 then
  redis.call('XGROUP', 'DELCONSUMER', stream, group, consumer)
end
if moved > 0 then redis.call('XADD', bell, 'MAXLEN', '~', '1000', '*', 's', ARGV[4]) end
return {moved, missing, left}
