#!lua flags=allow-oom
-- Say which suspect a lease is about to handle alone.
--
-- Invariant: full memory keeps no delivery from being handled: that is what
-- makes room.
--
-- KEYS  1 the consumer's key
-- ARGV  1 stream and id, 2 seconds
return redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
