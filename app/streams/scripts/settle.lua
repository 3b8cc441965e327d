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
--       4 the record or "", 5 the extras (MessagePack) or "", 6... entry ids in order
-- Extras, a list of steps:
--   {"add", stream, field, value, ...}            an output, or a delivery that comes back now
--   {"delay", ms, member, stream, field, ...}     a delivery that comes back later
--   {"hold", held list, {field, value, ...}}      a delivery that waits behind a failed one of its key
--   {"block", hash, key}                          a key that must wait
--   {"next", hash, key, held list, stream}        the next one of a key, or the end of its waiting
-- Returns the ids that this lease doesn't own: none where it is done.
local stream, group, consumer = KEYS[1], ARGV[1], ARGV[2]
local count = #ARGV - 5

local owned = {}
for _, entry in ipairs(redis.call('XPENDING', stream, group, ARGV[6], ARGV[#ARGV], count, consumer)) do
  owned[entry[1]] = true
end
local foreign = {}
for i = 6, #ARGV do
  if not owned[ARGV[i]] then foreign[#foreign + 1] = ARGV[i] end
end
if #foreign > 0 then return foreign end

if ARGV[5] ~= '' then
  local now
  for _, step in ipairs(cmsgpack.unpack(ARGV[5])) do
    local kind = step[1]
    if kind == 'add' then
      redis.call('XADD', step[2], '*', unpack(step, 3))
    elseif kind == 'delay' then
      if not now then
        local time = redis.call('TIME')
        now = time[1] * 1000 + math.floor(time[2] / 1000)
      end
      redis.call('HSET', 'penstock:delayed:data', step[3], cmsgpack.pack({unpack(step, 4)}))
      redis.call('ZADD', 'penstock:delayed', now + step[2], step[3])
    elseif kind == 'hold' then
      redis.call('RPUSH', step[2], cmsgpack.pack(step[3]))
    elseif kind == 'block' then
      redis.call('HSET', step[2], step[3], '1')
    elseif kind == 'next' then
      local waiting = redis.call('LPOP', step[4])
      if waiting then
        redis.call('XADD', step[5], '*', unpack(cmsgpack.unpack(waiting)))
      else
        redis.call('HDEL', step[2], step[3])
      end
    end
  end
end
if ARGV[4] ~= '' then
  redis.call('XADD', KEYS[2], '*', 'e', ARGV[4])
end
redis.call('XACK', stream, group, unpack(ARGV, 6))
if ARGV[3] == '1' then
  redis.call('XDEL', stream, unpack(ARGV, 6))
end
return {}
