"""A batch is handled together, and each of its events has an outcome of its own."""

from __future__ import annotations

from app import Reject, Retry, RetryPolicy
from app.events.event import Event
from app.events.ids import emitted_id
from tests.contract.world import World

ONCE = RetryPolicy(attempts=1)
TWICE = RetryPolicy(attempts=2, base=10.0, jitter=False)


def _publish(world: World, count: int) -> list[Event]:
    events = [Event(type="order.placed", data=number) for number in range(count)]
    world.publish_many(events)
    return events


def test_a_batch_has_at_most_its_size(world: World):
    sizes = []

    @world.on("order.placed", batch=4)
    def note(events, ctx):
        sizes.append(len(events))

    _publish(world, 10)
    world.run()

    assert sizes == [4, 4, 2]
    assert world.states() == ["succeeded"] * 10


def test_outcomes_of_every_kind(world: World):
    @world.on("order.placed", batch=6, emits=["order.checked"], retry=TWICE)
    def check(events, ctx):
        if len(events) == 1:
            return [{"again": events[0].data}]
        return [{"n": 0}, None, [{"n": 2}, {"n": 22}], Retry(after=5), Reject("no"), {"n": 5}]

    events = _publish(world, 6)
    world.run()

    assert [event.data["n"] for event in world.events("order.checked")] == [0, 2, 22, 5]
    assert [one.state for one in world.deliveries] == [
        "succeeded", "succeeded", "succeeded", "retrying", "parked", "succeeded",
    ]  # fmt: skip
    (letter,) = world.letters
    assert (letter.event.id, letter.reason) == (events[4].id, "rejected")
    world.advance(5)
    assert world.events("order.checked")[-1].data == {"again": 3}


def test_the_outputs_of_each_event_are_caused_by_it(world: World):
    @world.on("order.placed", batch=3, emits=["order.checked"])
    def check(events, ctx):
        return [{"n": event.data} for event in events]

    events = _publish(world, 3)
    world.run()

    checked = world.events("order.checked")
    assert [one.causationid for one in checked] == [event.id for event in events]
    assert [one.id for one in checked] == [
        emitted_id(event.source, event.id, "check", 0, 0) for event in events
    ]


def test_a_wrong_number_of_outcomes_is_a_failure_of_the_batch_handled_one_by_one(world: World):
    @world.on("order.placed", batch=3, emits=["order.checked"], retry=TWICE)
    def check(events, ctx):
        return [{}] * 2 if len(events) == 3 else [{}]

    _publish(world, 3)
    world.run()

    assert world.states() == ["succeeded"] * 3
    assert len(world.events("order.checked")) == 3


def test_a_wrong_number_even_for_one_parks_it(world: World):
    @world.on("order.placed", batch=3, retry=TWICE)
    def check(events, ctx):
        return "everything went well"

    _publish(world, 2)
    world.run()

    assert [letter.reason for letter in world.letters] == ["invalid", "invalid"]
    assert "needs a list of 1 outcomes" in world.letters[0].error


def test_a_batch_that_fails_is_handled_one_by_one_and_costs_only_the_guilty(world: World):
    calls = []

    @world.on("order.placed", batch=5, emits=["order.checked"], retry=ONCE)
    def check(events, ctx):
        calls.append([event.data for event in events])
        if any(event.data == 2 for event in events):
            raise ValueError("two")
        return [{"n": event.data} for event in events]

    _publish(world, 5)
    world.run()

    assert calls == [[0, 1, 2, 3, 4], [0], [1], [2], [3], [4]]
    assert [event.data["n"] for event in world.events("order.checked")] == [0, 1, 3, 4]
    (letter,) = world.letters
    assert letter.event.data == 2
    assert len(letter.attempts) == 1, "the attempt with the others is none of its own"


def test_one_invalid_outcome_parks_only_its_event(world: World):
    @world.on("order.placed", batch=3, emits=["order.checked"])
    def check(events, ctx):
        return [{}, Event(type="order.undeclared"), {}]

    events = _publish(world, 3)
    world.run()

    assert len(world.events("order.checked")) == 2
    assert [(one.event.id, one.reason) for one in world.letters] == [(events[1].id, "invalid")]


def test_what_can_not_be_read_is_no_part_of_the_batch(world: World):
    sizes = []

    @world.on("order.placed", batch=5, filter={"not": {"exact": {"data": 1}}})
    def check(events, ctx):
        sizes.append(len(events))
        return [None] * len(events)

    _publish(world, 3)
    world.add("penstock:topic:order:0", b"e", b"no event")
    world.run()

    assert sizes == [2]
    assert world.pending("check") == 0
    assert [letter.reason for letter in world.letters] == ["invalid"]


def test_a_batch_of_one_type_of_several(world: World):
    got = []

    @world.on("order.placed", "invoice.written", batch=10)
    def check(events, ctx):
        got.extend(event.type for event in events)

    world.publish("order.placed")
    world.publish("invoice.written")
    world.run()

    assert sorted(got) == ["invoice.written", "order.placed"]


def test_what_a_batch_emits_goes_with_its_first_success(world: World):
    @world.on("order.placed", batch=3, emits=["order.counted"])
    def check(events, ctx):
        ctx.emit("order.counted", len(events))
        return [Reject("the first one is bad"), None, None]

    events = _publish(world, 3)
    world.run()

    (counted,) = world.events("order.counted")
    assert counted.causationid == events[1].id
    assert world.states() == ["parked", "succeeded", "succeeded"]
