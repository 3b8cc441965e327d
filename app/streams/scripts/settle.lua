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
--       4 the record or "", 5 how many arguments the steps have, then the
--       steps, each after the number of its arguments, then the entry ids in order
-- Steps:
--   add stream field value ...                an output, or a delivery that comes back now
--   delay ms member stream field value ...    a delivery that comes back later
--   hold list field value ...                 a delivery that waits behind a failed one of its key
--   block hash key                            a key that must wait
--   next hash key list stream                 the next one of a key, or the end of its waiting
-- Returns the ids that this lease doesn't own: none where it is done.
local stream, group, consumer = KEYS[1], ARGV[1], ARGV[2]
local first = 6 + tonumber(ARGV[5])
local last = #ARGV

local owned = {}
local pending = redis.pcall('XPENDING', stream, group, ARGV[first], ARGV[last], last - first + 1, consumer)
-- Where the group is gone (a server that lost its data), nobody owns anything.
if pending.err and not string.find(pending.err, 'NOGROUP', 1, true) then return pending end
for _, entry in ipairs(pending) do
  owned[entry[1]] = true
end
local foreign = {}
for i = first, last do
  if not owned[ARGV[i]] then foreign[#foreign + 1] = ARGV[i] end
end
if #foreign > 0 then return foreign end

local now
local i = 6
while i < first do
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
for from = first, last, 1000 do
  local to = math.min(from + 999, last)
  redis.call('XACK', stream, group, unpack(ARGV, from, to))
  if ARGV[3] == '1' then redis.call('XDEL', stream, unpack(ARGV, from, to)) end
end
return {}
