#!lua flags=allow-oom
-- Give up partitions of ordered subscriptions.
--
-- Invariant: only the owner's own claim is removed.
--
-- KEYS  1 the owners
-- ARGV  1 consumer, 2... subscription:partition
for i = 2, #ARGV do
  if redis.call('HGET', KEYS[1], ARGV[i]) == ARGV[1] then redis.call('HDEL', KEYS[1], ARGV[i]) end
end
return 1
