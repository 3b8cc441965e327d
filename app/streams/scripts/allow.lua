#!lua flags=allow-oom
-- A token bucket for a subscription's global rate.
--
-- Invariant: over any time, all workers together are allowed no more than the
-- rate times that time, and one second's worth at the start.
--
-- KEYS  1 the bucket (hash: tokens, at)
-- ARGV  1 events a second, 2 how many are wanted (below 0: that many come back)
-- More may be taken than is left (a read of several streams): the next ones wait longer.
-- Returns how many are allowed now.
local rate, wanted = tonumber(ARGV[1]), tonumber(ARGV[2])
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local known = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local most = math.max(rate, 1)
local tokens = known[1] and math.min(most, known[1] + math.max(0, now - known[2]) * rate) or most
local allowed = wanted
if wanted > 0 then allowed = math.max(0, math.min(wanted, math.floor(tokens))) end
redis.call('HSET', KEYS[1], 'tokens', math.min(most, tokens - allowed), 'at', string.format('%.6f', now))
redis.call('EXPIRE', KEYS[1], 3600)
return allowed
