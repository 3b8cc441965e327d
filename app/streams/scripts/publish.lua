-- Publish events, each at most once in the window.
--
-- Invariant: an event is in its topic if and only if its (source, id) is
-- marked as seen; both happen in this one step. Running it again with the same
-- events changes nothing, so a producer that lost the reply may just repeat.
--
-- KEYS  the streams
-- ARGV  window in seconds, prefix of the marks, then for each event:
--       index of its stream in KEYS, digest of (source, id), stored form,
--       and the time it is due (ms since 1970, or "0" for now)
-- Returns for each event its position in the stream, 1 where it is due later, 0 where it was a duplicate.
local window, prefix = ARGV[1], ARGV[2]
local new = {}
for i = 3, #ARGV, 4 do
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
