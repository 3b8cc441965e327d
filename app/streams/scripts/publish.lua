-- Publish events, each at most once in the window.
--
-- Invariant: an event is in its topic if and only if its (source, id) is
-- marked as seen; both happen in this one step. Running it again with the same
-- events changes nothing, so a producer that lost the reply may just repeat.
--
-- A long list of events is written in several parts, sent one behind the other:
-- each names the last event of the part before, and is refused where that is not
-- there, so that what is published together keeps its order.
--
-- KEYS  the streams
-- ARGV  window in seconds, prefix of the marks, the digest of the event that has
--       to be there already ("" for none), then for each event:
--       index of its stream in KEYS, digest of (source, id), stored form,
--       and the time it is due (ms since 1970, or "0" for now)
-- Returns for each event its position in the stream, 1 where it is due later, 0 where it was a duplicate.
local window, prefix, before = ARGV[1], ARGV[2], ARGV[3]
if before ~= '' and redis.call('EXISTS', prefix .. before) == 0 then
  return redis.error_reply('BEFORE the part before was not written')
end
local new = {}
for i = 4, #ARGV, 4 do
  local fresh = redis.call('SET', prefix .. ARGV[i + 1], '1', 'NX', 'EX', window)
  local told = fresh and 1 or 0
  if fresh then
    local stream = KEYS[tonumber(ARGV[i])]
    if ARGV[i + 3] == '0' then
      told = redis.call('XADD', stream, '*', 'e', ARGV[i + 2])
    else
      local member = 'event:' .. ARGV[i + 1]
      redis.call('HSET', 'penstock:delayed:data', member, cmsgpack.pack({stream, 'e', ARGV[i + 2]}))
      redis.call('ZADD', 'penstock:delayed', ARGV[i + 3], member)
    end
  end
  new[#new + 1] = told
end
return new
