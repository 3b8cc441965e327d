"""An ordered subscription keeps each key's order, and a failing key holds back only its own."""

from __future__ import annotations

from app import RetryPolicy
from app.events.event import Event
from tests.contract.worker import Killed
from tests.contract.world import World

STEADY = RetryPolicy(attempts=3, base=10.0, factor=1.0, jitter=False)


def _publish(world: World, *keyed: tuple[str | None, int]) -> None:
    world.publish_many(
        Event(type="order.placed", partitionkey=key, data=number) for key, number in keyed
    )


def test_a_failing_key_holds_back_its_own_and_no_others(world: World):
    got = []

    @world.on("order.placed", ordered=True, retry=STEADY)
    def note(event, ctx):
        if event.data == 1 and ctx.attempt == 1:
            raise ValueError("not yet")
        got.append((event.partitionkey, event.data))

    _publish(world, ("ada", 1), ("ada", 2), ("eve", 3), ("ada", 4), (None, 5))
    world.run()
    assert got == [("eve", 3), (None, 5)]
    assert world.pending("note") == 0

    _publish(world, ("ada", 6), ("eve", 7))
    world.run()
    assert got == [("eve", 3), (None, 5), ("eve", 7)], "what comes later waits as well"

    world.advance(10)
    assert got[3:] == [("ada", 1), ("ada", 2), ("ada", 4), ("ada", 6)]
    assert world.pending("note") == 0
    _publish(world, ("ada", 8))
    world.run()
    assert got[-1] == ("ada", 8), "nothing waits any more"


def test_the_next_of_a_key_may_fail_as_well(world: World):
    got = []

    @world.on("order.placed", ordered=True, retry=STEADY)
    def note(event, ctx):
        if ctx.attempt < 3:
            raise ValueError("twice each")
        got.append(event.data)

    _publish(world, ("ada", 1), ("ada", 2), ("eve", 3), ("ada", 4))
    world.run()
    for _ in range(6):
        world.advance(10)

    assert [number for number in got if number != 3] == [1, 2, 4]
    assert 3 in got


def test_a_parked_event_lets_its_key_go_on(world: World):
    got = []

    @world.on("order.placed", ordered=True, retry=RetryPolicy(attempts=2, base=10.0, jitter=False))
    def note(event, ctx):
        if event.data == 1:
            raise ValueError("never")
        got.append(event.data)

    _publish(world, ("ada", 1), ("ada", 2), ("ada", 3))
    world.run()
    assert got == []
    world.advance(10)

    assert got == [2, 3]
    assert [letter.event.data for letter in world.letters] == [1]


def test_a_parked_event_that_is_replayed_stands_outside_of_the_order(world: World):
    got = []

    @world.on("order.placed", ordered=True, retry=RetryPolicy(attempts=1))
    def note(event, ctx):
        if event.data == 1 and not ctx.replay:
            raise ValueError
        got.append(event.data)

    _publish(world, ("ada", 1), ("ada", 2))
    world.run()
    world.replay(*world.letters)
    _publish(world, ("ada", 3))
    world.run()

    assert sorted(got) == [1, 2, 3]
    assert got.index(2) < got.index(3)


def test_a_batch_of_an_ordered_subscription_has_each_key_once(world: World):
    batches = []

    @world.on("order.placed", ordered=True, batch=10)
    def note(events, ctx):
        batches.append([event.data for event in events])

    _publish(world, ("ada", 1), ("eve", 2), ("ada", 3), ("eve", 4), ("tony", 5))
    world.run()

    assert batches == [[1, 2], [3, 4, 5]]


def test_one_partition_has_one_lease_at_a_time(world: World):
    got = []
    other = []

    @world.on("order.placed", ordered=True)
    def note(event, ctx):
        if event.data == 1:
            other.append(world.worker().run(seconds=1))
        got.append(event.data)

    _publish(world, ("ada", 1), ("ada", 2), ("eve", 3))
    world.run()

    assert other == [0], "another worker gets nothing of it meanwhile"
    assert got == [1, 2, 3]


def test_partitions_are_served_apart(world: World):
    world.partitions["order"] = 2
    got = []

    @world.on("order.placed", ordered=True)
    def note(event, ctx):
        got.append(event.data)

    _publish(world, *[(f"key {number % 7}", number) for number in range(70)])
    world.run()

    assert sorted(got) == list(range(70))
    for key in range(7):
        mine = [number for number in got if number % 7 == key]
        assert mine == sorted(mine)


def test_order_holds_over_a_kill(world: World):
    got = []

    @world.on("order.placed", ordered=True)
    def note(event, ctx):
        got.append(event.data)
        if event.data == 3 and got.count(3) == 1:
            raise Killed

    _publish(world, *[("ada", number) for number in range(6)])
    world.worker().run_until_killed()
    world.worker().run()

    assert got == [0, 1, 2, 3, *range(6)], "what was not settled comes again, in its order"
    assert world.pending("note") == 0
    assert world.states("note") == ["succeeded"] * 6


def test_what_was_given_back_comes_before_what_is_new(world: World):
    got = []

    @world.on("order.placed", ordered=True)
    def note(event, ctx):
        got.append(event.data)

    world.declare()
    _publish(world, *[("ada", number) for number in range(150)])
    worker = world.worker()
    assert len(worker.read("note", 100)) == 100
    worker.lose("note")
    world.run()

    assert got == list(range(150))


def test_what_was_given_back_twice_keeps_its_order(world: World):
    got = []

    @world.on("order.placed", ordered=True)
    def note(event, ctx):
        got.append(event.data)
        if event.data == 5 and got.count(5) == 1:
            raise Killed

    world.declare()
    _publish(world, *[("ada", number) for number in range(150)])
    worker = world.worker()
    worker.read("note", 100)
    worker.lose("note")
    world.worker().run_until_killed()
    world.run()

    assert got[:6] == list(range(6))
    assert got[6:] == list(range(150))


def test_a_closing_worker_gives_back_in_order(world: World):
    got = []

    @world.on("order.placed", ordered=True)
    def note(event, ctx):
        got.append(event.data)
        if event.data == 5 and got.count(5) == 1:
            closing.slots.closing = True

    world.declare()
    _publish(world, *[("ada", number) for number in range(150)])
    worker, closing = world.worker(), world.worker()
    worker.read("note", 100)
    worker.lose("note")
    closing.run()
    world.run()

    assert got == list(range(150))


def test_keys_with_odd_characters(world: World):
    got = []

    @world.on("order.placed", ordered=True, retry=STEADY)
    def note(event, ctx):
        if ctx.attempt == 1 and event.data % 2 == 0:
            raise ValueError
        got.append(event.data)

    keys = ["a b", "ä:1", "{x}", "0"]
    _publish(world, *[(key, number) for key in keys for number in (0, 1)])
    world.run()
    assert got == []
    world.advance(10)

    assert got == [0, 1] * 4 or sorted(got) == [0, 0, 0, 0, 1, 1, 1, 1]


def test_a_rewind_past_a_failing_key_keeps_its_order(world: World):
    got = []

    @world.on("order.placed", ordered=True, retry=STEADY)
    def note(event, ctx):
        if ctx.generation == 0 and event.data == 1:
            raise ValueError("before the rewind")
        got.append((event.partitionkey, event.data))

    _publish(world, ("ada", 1), ("ada", 2), ("eve", 3), ("ada", 4))
    world.run()
    world.rewind("note")
    world.run()
    world.advance(10)
    world.advance(10)

    assert [number for key, number in got if key == "ada"] == [1, 2, 4]
    assert got.count(("eve", 3)) == 2
    assert world.pending("note") == 0
    _publish(world, ("ada", 5))
    world.run()
    assert got[-1] == ("ada", 5), "nothing waits any more"


def test_a_filter_that_keeps_out_the_failing_event_lets_its_key_go_on(world: World):
    got = []

    @world.on("order.placed", ordered=True, retry=STEADY)
    def note(event, ctx):
        if event.data == 1:
            raise ValueError
        got.append(event.data)

    _publish(world, ("ada", 1), ("ada", 2), ("ada", 3))
    world.run()
    world.change("note", filter={"not": {"exact": {"data": 1}}})
    world.advance(10)

    assert got == [2, 3]


def test_a_batch_that_fails_blocks_only_the_guilty_keys(world: World):
    got = []

    @world.on("order.placed", ordered=True, batch=10, retry=STEADY)
    def note(events, ctx):
        if any(event.data == 1 and ctx.attempt == 1 for event in events):
            raise ValueError
        got.extend(event.data for event in events)

    _publish(world, ("ada", 1), ("eve", 2), ("ada", 3), ("eve", 4))
    world.run()
    assert got == [2, 4]
    world.advance(10)

    assert got == [2, 4, 1, 3]


def test_a_kill_while_a_key_waits_keeps_it_waiting(world: World):
    got = []

    @world.on("order.placed", ordered=True, retry=STEADY)
    def note(event, ctx):
        if event.data == 1 and ctx.attempt == 1:
            raise ValueError
        got.append(event.data)
        if event.data == 3 and got.count(3) == 1:
            raise Killed

    _publish(world, ("ada", 1), ("ada", 2), ("eve", 3), ("ada", 4))
    world.worker().run_until_killed()
    world.run()
    assert got == [3, 3]
    world.advance(10)

    assert got == [3, 3, 1, 2, 4]
    assert world.pending("note") == 0


def test_a_pause_in_the_middle_keeps_the_order(world: World):
    got = []

    @world.on("order.placed", ordered=True)
    def note(event, ctx):
        got.append(event.data)
        if event.data == 7:
            world.pause("note")

    _publish(world, *[("ada", number) for number in range(60)])
    world.run()
    assert len(got) < 60
    world.resume("note")
    world.run()

    assert got == list(range(60))


def test_two_topics_of_one_subscription(world: World):
    got = []

    @world.on("order.placed", "invoice.written", ordered=True, retry=STEADY)
    def note(event, ctx):
        if event.data == 1 and ctx.attempt == 1:
            raise ValueError
        got.append((event.type, event.data))

    _publish(world, ("ada", 1), ("ada", 2))
    world.run()
    world.publish("invoice.written", 3, key="ada")
    world.run()
    assert got == [], "a key is the same in every topic"
    world.advance(10)

    assert got == [("order.placed", 1), ("order.placed", 2), ("invoice.written", 3)]


def test_a_limit_of_concurrency_holds_over_partitions(world: World):
    world.partitions["order"] = 2
    other = []

    @world.on("order.placed", ordered=True)
    def note(event, ctx):
        if not other:
            other.append(world.worker().run(seconds=1))

    _publish(world, *[(f"key {number % 7}", number) for number in range(14)])
    world.change("note", concurrency=1)
    world.run()

    assert other == [0], "there is one place, whatever partition it is used for"


def test_what_waited_behind_a_failed_one_is_worked_off_in_one_turn(world: World):
    got, turns = [], []

    @world.on("order.placed", ordered=True)
    def note(event, ctx):
        got.append(event.data)
        if event.data == 0 and got.count(0) == 1:
            raise ValueError("the first time")

    _publish(world, *[("ada", number) for number in range(20)])
    worker = world.worker()
    worker.run()
    own = worker.broker.own
    worker.broker.own = lambda *seat: turns.append(seat) or own(*seat)
    world.pass_time(100)
    worker.run()

    assert got == [0, *range(20)]
    assert len(turns) < 10, "others would have their turn after each event"
