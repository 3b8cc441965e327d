#!lua flags=allow-oom
-- Say that a worker lives.
--
-- Invariant: full memory stops no beat: a worker that can't say that it lives
-- would be taken for dead, and what it holds given to others.
--
-- KEYS  1 the workers
-- ARGV  1 worker, 2 its beat
return redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
