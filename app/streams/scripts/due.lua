#!lua flags=allow-oom
-- Put what is due back into its stream.
--
-- Invariant: something delayed is either in the sorted set or in its stream;
-- this step moves it, so two callers never move it twice.
--
-- KEYS  1 the sorted set, 2 its data, 3 the bell
-- ARGV  1 how many at most
-- Returns how many were moved, and the milliseconds until the next is due: -1 where nothing waits.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, ARGV[1])
for _, member in ipairs(due) do
  local data = redis.call('HGET', KEYS[2], member)
  if data then
    local step = cmsgpack.unpack(data)
    redis.call('XADD', step[1], '*', unpack(step, 2))
    local subscription = string.match(step[1], '^penstock:again:(.*):%d+$')
    if subscription then redis.call('XADD', KEYS[3], 'MAXLEN', '~', '1000', '*', 's', subscription) end
  end
  redis.call('ZREM', KEYS[1], member)
  redis.call('HDEL', KEYS[2], member)
end
local following = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')[2]
return {#due, following and math.max(0, math.ceil(following - now)) or -1}
