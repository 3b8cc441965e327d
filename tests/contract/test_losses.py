"""Workers end, die and come back as zombies: nothing is lost, and nothing comes of it twice."""

from __future__ import annotations

import pytest

from app import RetryPolicy
from app.events.event import Event
from app.subscriptions.outcomes import Done
from app.subscriptions.settlement import Settled, Settlement
from tests.contract.worker import Killed
from tests.contract.world import World


def _publish(world: World, count: int) -> list[Event]:
    events = [Event(type="order.placed", data=number) for number in range(count)]
    world.publish_many(events)
    return events


def test_what_a_killed_worker_held_is_delivered_again_with_the_same_ids(world: World):
    kills = []

    @world.on("order.placed", emits=["order.checked"])
    def check(event, ctx):
        ctx.emit("order.checked", event.data)
        if not kills:
            kills.append(ctx.delivery_id)
            raise Killed
        kills.append(ctx.delivery_id)

    _publish(world, 1)
    world.worker().run_until_killed()
    assert world.events("order.checked") == []
    world.worker().run()

    assert len(kills) == 2
    assert kills[0] == kills[1], "the idempotency key stays"
    (checked,) = world.events("order.checked")
    assert checked.id == world.deliveries[-1].emitted[0]
    assert world.deliveries[-1].attempt == 1, "a death is no failed attempt"


def test_a_kill_in_the_middle_costs_no_event_and_doubles_none(world: World):
    killed = []

    @world.on("order.placed", emits=["order.checked"])
    def check(event, ctx):
        if event.data == 5 and not killed:
            killed.append(True)
            raise Killed
        return {"n": event.data}

    _publish(world, 10)
    world.worker().run_until_killed()
    world.worker().run()

    assert sorted(event.data["n"] for event in world.events("order.checked")) == list(range(10))
    assert len({event.id for event in world.events("order.checked")}) == 10
    assert world.pending("check") == 0


def test_an_event_that_kills_three_times_is_parked_and_its_neighbours_are_not(world: World):
    handled = []

    @world.on("order.placed")
    def check(event, ctx):
        if event.data == 2:
            raise Killed
        handled.append(event.data)

    _publish(world, 5)
    for _ in range(3):
        world.worker().run_until_killed()
    world.run()

    assert set(handled) == {0, 1, 3, 4}
    (letter,) = world.letters
    assert (letter.event.data, letter.reason) == (2, "killed")
    assert "died 3 times" in letter.error
    assert world.pending("check") == 0


def test_a_batch_that_was_killed_is_handled_one_by_one(world: World):
    batches = []

    @world.on("order.placed", batch=5)
    def check(events, ctx):
        batches.append([event.data for event in events])
        if any(event.data == 2 for event in events):
            raise Killed

    _publish(world, 5)
    for _ in range(4):
        world.worker().run_until_killed()
    world.run()

    assert batches[0] == [0, 1, 2, 3, 4]
    assert all(len(batch) == 1 for batch in batches[1:])
    assert batches.count([2]) == 3, "only the losses of its own count"
    assert [letter.event.data for letter in world.letters] == [2]
    assert world.states().count("succeeded") == 4


def test_an_event_that_ends_whole_workers_is_parked_after_five(world: World):
    @world.on("order.placed")
    def check(event, ctx):
        raise AssertionError("not in this test")

    _publish(world, 1)
    stream = "penstock:topic:order:0"
    for _ in range(5):
        worker = world.worker()
        (entry,) = worker.read("check")
        worker.lose("check", suspect=True, in_hand=entry.id, counts="w")
        stream = entry.stream
    assert stream.startswith("penstock:again:")
    world.run()

    assert world.letters[0].reason == "killed"
    assert "5 times with its whole worker" in world.letters[0].error


def test_a_suspect_is_announced_before_it_is_handled(world: World):
    announced = []

    @world.on("order.placed")
    def check(event, ctx):
        announced.append(event.data)

    _publish(world, 3)
    worker = world.worker()
    worker.read("check")
    worker.lose("check", suspect=True)
    other = world.worker()
    held = other.broker.hold_up
    other.broker.hold_up = lambda *told: (announced.append("announced"), held(*told))[1]  # type: ignore[method-assign]
    other.run()

    assert announced == ["announced", 0, "announced", 1, "announced", 2]


def test_a_closing_worker_finishes_what_it_has_in_hand_and_hands_back_the_rest(world: World):
    handled = []
    first, second = world.worker(), world.worker()

    @world.on("order.placed")
    def check(event, ctx):
        handled.append(event.data)
        if event.data == 2:
            first.slots.closing = True

    world.declare()
    _publish(world, 10)
    first.run()
    assert handled == [0, 1, 2]
    assert world.pending("check") == 0, "the rest is free at once"

    second.run()
    assert sorted(handled) == list(range(10))
    assert world.states() == ["succeeded"] * 10


def test_a_late_settle_changes_nothing_where_the_new_owner_is_done(world: World):
    calls = []

    @world.on("order.placed", emits=["order.checked"])
    def check(event, ctx):
        calls.append(ctx.delivery_id)
        if len(calls) == 1:
            zombie.lose("check", suspect=True)
            assert world.worker().run() == 1
        return {"by": len(calls)}

    world.declare()
    zombie = world.worker()
    _publish(world, 1)
    zombie.run()

    assert len(calls) == 2
    (checked,) = world.events("order.checked")
    assert checked.data == {"by": 2}
    assert world.states() == ["succeeded"]
    assert world.pending("check") == 0


def test_a_late_settle_changes_nothing_while_the_new_owner_is_at_work(world: World):
    @world.on("order.placed", emits=["order.checked"])
    def check(event, ctx):
        raise AssertionError("settled by hand")

    placed = _publish(world, 1)[0]
    zombie, owner = world.worker(), world.worker()
    late = _settled(zombie, placed, {"by": "the zombie"})
    zombie.lose("check")
    new = _settled(owner, placed, {"by": "the new owner"})

    assert _settle(zombie, late) == [late], "fenced"
    assert world.events("order.checked") == []
    assert world.states() == []
    assert world.pending("check") == 1

    assert _settle(owner, new) == []
    assert [event.data for event in world.events("order.checked")] == [{"by": "the new owner"}]
    assert world.pending("check") == 0
    assert _settle(owner, new) == [new], "a settle that is repeated writes nothing either"
    assert len(world.events("order.checked")) == 1


def test_what_is_still_ones_own_is_settled_though_some_was_lost(world: World):
    handled = []

    @world.on("order.placed", batch=4, emits=["order.checked"])
    def check(events, ctx):
        if not handled:
            stream, ids = ctx.entries[0].stream, [entry.id for entry in ctx.entries]
            worker.broker.release("check", worker.lease.consumer, stream, 0, only=(ids[1], ids[2]))
        handled.append([event.data for event in events])
        return [{"n": event.data, "of": len(events)} for event in events]

    world.declare()
    worker = world.worker()
    _publish(world, 4)
    worker.run()
    world.run()

    assert handled == [[0, 1, 2, 3], [1, 2]]
    told = {event.data["n"]: event.data["of"] for event in world.events("order.checked")}
    assert told == {0: 4, 3: 4, 1: 2, 2: 2}
    assert len(world.events("order.checked")) == 4


@pytest.mark.parametrize("attempts", [1, 2])
def test_a_handler_over_its_time_is_fenced_and_fails(world: World, attempts: int):
    policy = RetryPolicy(attempts=attempts, base=10.0, jitter=False)

    @world.on("order.placed", emits=["order.checked"], timeout=30, retry=policy)
    def check(event, ctx):
        if ctx.attempt == 1:
            world.clock.sleep(29)
            worker.watch.look()
            assert world.states() == []
            world.clock.sleep(2)
            worker.watch.look()
        return {"attempt": ctx.attempt}

    world.declare()
    worker = world.worker()
    _publish(world, 1)
    worker.run()

    assert world.events("order.checked") == [], "its late result is dropped"
    assert world.states() == ["retrying" if attempts == 2 else "parked"]
    assert "Timeout: the handler took more than 30 s" in (world.deliveries[0].error or "")
    world.advance(10)
    assert [event.data["attempt"] for event in world.events("order.checked")] == [2][: attempts - 1]


def test_what_waits_behind_a_slow_event_goes_to_others(world: World):
    handled = []

    @world.on("order.placed")
    def check(event, ctx):
        handled.append((event.data, "begun"))
        if event.data == 0:
            world.clock.sleep(1.5)
            worker.watch.look()  # asks for the rest
            worker.watch.look()  # gives it back, now that none of it can be begun
            world.worker().run()
        handled.append((event.data, "done"))

    world.declare()
    worker = world.worker()
    _publish(world, 3)
    worker.run()

    assert [number for number, what in handled if what == "done"] == [1, 2, 0]
    assert world.states() == ["succeeded"] * 3


def test_a_limited_subscription_is_served_by_no_more_workers_at_once(world: World):
    handled = []

    @world.on("order.placed")
    def check(event, ctx):
        if event.data == 0:
            handled.append(("meanwhile", world.worker().run(seconds=1)))
        handled.append(event.data)

    world.publish_many(Event(type="order.placed", data=number) for number in range(40))
    world.change("check", concurrency=1)
    world.run()

    assert handled[0] == ("meanwhile", 0)
    assert sorted(handled[1:]) == list(range(40)), (
        "what waited long behind the first was given back"
    )
    world.change("check", concurrency=2)
    world.publish_many(Event(type="order.placed", data=number) for number in range(20))
    world.run()
    met = [one for one in handled[41:] if isinstance(one, tuple)]
    assert met[0][1] > 0, "there is room for another one now"


def _settled(worker, event: Event, data) -> Settled:
    """This worker's result for the event, ready to be settled."""
    (entry,) = worker.read("check")
    handling = worker.lease.roster.handlings["check"]
    output = Event(type="order.checked", data=data, causationid=event.id)
    done = Done(handling.preparer.prepare([output]))
    now = worker.world.clock.now()
    return Settled(entry, event, done, now, now)


def _settle(worker, settled: Settled) -> list[Settled]:
    handling = worker.lease.roster.handlings["check"]
    return Settlement(worker.broker, handling, worker.lease.consumer, worker.name).settle([settled])
