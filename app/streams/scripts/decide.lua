#!lua flags=allow-oom
-- Write words about subscriptions, raise the version, and wake everybody.
--
-- Invariant: full memory keeps no decision from being in force: to resume, or
-- to skip, is what makes room. And who sees the new version sees all the words.
--
-- KEYS  1 the control hash, 2 the doorbell
-- ARGV  1 what rings for everybody, then fields, each with its value, or "" to
--       take it back
for i = 2, #ARGV, 2 do
  if ARGV[i + 1] == '' then
    redis.call('HDEL', KEYS[1], ARGV[i])
  else
    redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
  end
end
redis.call('HINCRBY', KEYS[1], 'version', 1)
redis.call('XADD', KEYS[2], 'MAXLEN', '~', 1000, '*', 's', ARGV[1])
return redis.status_reply('OK')
