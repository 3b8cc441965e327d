-- Send one event of a replay to its subscription.
--
-- Invariant: an item of a replay is in the `again` stream at most once, even
-- where its sender died before it could note that it was sent.
--
-- KEYS  1 the `again` stream, 2 the item's mark, 3 the bell
-- ARGV  1 subscription, 2... the entry's fields
-- Returns 1 where it was sent now.
if not redis.call('SET', KEYS[2], '1', 'NX', 'EX', 604800) then return 0 end
redis.call('XADD', KEYS[1], '*', unpack(ARGV, 2))
redis.call('XADD', KEYS[3], 'MAXLEN', '~', '1000', '*', 's', ARGV[1])
return 1
