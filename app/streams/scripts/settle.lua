#!lua flags=allow-oom
-- Settle deliveries of one lease from one stream: all of them, or none.
--
-- Invariant: a delivery is acknowledged in the same step in which its outputs,
-- its retry or its record are written, and only while the lease still owns it.
-- A zombie owns nothing, so it changes nothing. Acknowledging comes last: a
-- script that is refused or fails before has acknowledged nothing.
--
-- It may use more memory than maxmemory allows (flags above): settling is what
-- makes room.
--
-- KEYS  1 the stream, 2 the record's stream
-- ARGV  1 group, 2 consumer, 3 "1" where the stream is an `again` stream,
--       4 the record or "", 5 the ids of the entries in order, joined by blanks,
--       6 the first of them, 7 the last, 8 how many, then the steps, each after
--       the number of its arguments
-- Steps:
--   add stream field value ...                an output, or a delivery that comes back now
--   delay ms member stream field value ...    a delivery that comes back later
--   hold list field value ...                 a delivery that waits behind a failed one of its key
--   block hash key                            a key that must wait
--   next hash key list stream                 the next one of a key, or the end of its waiting
-- Returns the ids that this lease doesn't own: none where it is done.
local stream, group, consumer, joined = KEYS[1], ARGV[1], ARGV[2], ARGV[5]
local MOST = 11000 -- more than a lease ever holds

local function owned(most)
  local pending = redis.pcall('XPENDING', stream, group, ARGV[6], ARGV[7], most, consumer)
  if pending.err then
    -- Where the group is gone (a server that lost its data), nobody owns anything.
    if string.find(pending.err, 'NOGROUP', 1, true) then return {} end
    return nil, pending
  end
  local found = {}
  for i, entry in ipairs(pending) do found[i] = entry[1] end
  return found
end

local ids, failed = owned(ARGV[8])
if failed then return failed end
-- Nearly always the lease owns just these: one comparison of texts, and none of the ids by itself.
if table.concat(ids, ' ') ~= joined then
  ids, failed = owned(MOST)
  if failed then return failed end
  local own, foreign = {}, {}
  for _, id in ipairs(ids) do own[id] = true end
  ids = {}
  for id in string.gmatch(joined, '%S+') do
    ids[#ids + 1] = id
    if not own[id] then foreign[#foreign + 1] = id end
  end
  if #foreign > 0 then return foreign end
end

local now
local i = 9
while i <= #ARGV do
  local kind, stop = ARGV[i + 1], i + tonumber(ARGV[i])
  if kind == 'add' then
    redis.call('XADD', ARGV[i + 2], '*', unpack(ARGV, i + 3, stop))
  elseif kind == 'delay' then
    if not now then
      local time = redis.call('TIME')
      now = time[1] * 1000 + math.floor(time[2] / 1000)
    end
    redis.call('HSET', 'penstock:delayed:data', ARGV[i + 3], cmsgpack.pack({unpack(ARGV, i + 4, stop)}))
    redis.call('ZADD', 'penstock:delayed', now + ARGV[i + 2], ARGV[i + 3])
  elseif kind == 'hold' then
    redis.call('RPUSH', ARGV[i + 2], cmsgpack.pack({unpack(ARGV, i + 3, stop)}))
  elseif kind == 'block' then
    redis.call('HSET', ARGV[i + 2], ARGV[i + 3], '1')
  elseif kind == 'next' then
    local waiting = redis.call('LPOP', ARGV[i + 4])
    if waiting then
      redis.call('XADD', ARGV[i + 5], '*', unpack(cmsgpack.unpack(waiting)))
    else
      redis.call('HDEL', ARGV[i + 2], ARGV[i + 3])
    end
  else
    return redis.error_reply('unknown step ' .. kind)
  end
  i = stop + 1
end
if ARGV[4] ~= '' then
  redis.call('XADD', KEYS[2], '*', 'e', ARGV[4])
end
for from = 1, #ids, 1000 do
  local to = math.min(from + 999, #ids)
  redis.call('XACK', stream, group, unpack(ids, from, to))
  if ARGV[3] == '1' then redis.call('XDEL', stream, unpack(ids, from, to)) end
end
return {}
