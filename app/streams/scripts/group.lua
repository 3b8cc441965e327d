#!lua flags=allow-oom
-- Make a consumer group, and its stream, where they are lacking.
--
-- Invariant: full memory ends no worker that starts. (It waits until Celery's
-- broker finds room, which skipping a backlog makes.)
--
-- KEYS  1 the stream
-- ARGV  1 group, 2 where it begins
local made = redis.pcall('XGROUP', 'CREATE', KEYS[1], ARGV[1], ARGV[2], 'MKSTREAM')
if made.err and not string.find(made.err, 'BUSYGROUP', 1, true) then return made end
return redis.status_reply('OK')
