#!lua flags=allow-oom
-- Become or stay the caretaker.
--
-- Invariant: while the key lives it names one worker. A holder that was buried
-- holds nothing: should the server's clock go back, its key would outlive it.
--
-- KEYS  1 the key, 2 the workers
-- ARGV  1 the worker, 2 milliseconds
-- Returns 1 where the worker holds it.
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] and redis.call('HEXISTS', KEYS[2], holder) == 1 then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
