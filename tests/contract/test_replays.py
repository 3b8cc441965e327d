"""What was parked or is past can be handled again; what comes of that is new."""

from __future__ import annotations

from time import sleep

from pydantic import BaseModel

from app import RetryPolicy
from app.events.event import Event
from app.streams import keys
from tests.contract.world import World

ONCE = RetryPolicy(attempts=1)


def test_a_replayed_dead_letter_is_handled_and_its_outputs_are_new(world: World):
    broken = True

    @world.on("order.placed", emits=["order.checked"], retry=ONCE)
    def check(event, ctx):
        ctx.emit("order.checked", {"generation": ctx.generation})
        if broken:
            raise ValueError

    placed = world.publish("order.placed", {"n": 1}, key="ada")
    world.run()
    (letter,) = world.letters
    broken = False
    id = world.replay(letter)
    world.run()

    (checked,) = world.events("order.checked")
    assert checked.causationid == placed.id
    assert checked.correlationid == placed.id
    assert checked.data["generation"] > 0
    last = world.deliveries[-1]
    assert (last.state, last.replay, last.event) == ("succeeded", id, placed.id)
    assert last.attempt == 1, "a replay begins anew"
    assert len(world.events("order.placed")) == 1, "nobody else gets it again"


def test_outputs_keep_their_ids_over_a_redelivery_and_not_over_a_replay(world: World):
    @world.on("order.placed", emits=["order.checked"])
    def check(event, ctx):
        return {}

    @world.on("order.checked", retry=ONCE)
    def fail(event, ctx):
        raise ValueError

    world.publish("order.placed")
    world.run()
    world.rewind("check")
    world.run()
    world.rewind("check")
    world.run()

    ids = [event.id for event in world.events("order.checked")]
    assert len(set(ids)) == 3, "no duplicate of each other"


def test_a_replay_that_fails_again_is_parked_again(world: World):
    @world.on("order.placed", retry=ONCE)
    def check(event, ctx):
        raise ValueError(f"in replay: {bool(ctx.replay)}")

    world.publish("order.placed")
    world.run()
    world.replay(*world.letters)
    world.run()

    assert world.states() == ["parked", "parked"]
    assert world.letters[0].error == "ValueError: in replay: True"
    assert world.deliveries[-1].replay


def test_a_replay_reaches_one_subscription_only(world: World):
    got = []

    @world.on("order.placed", retry=ONCE)
    def check(event, ctx):
        raise ValueError

    @world.on("order.placed")
    def other(event, ctx):
        got.append(event.id)

    world.publish("order.placed")
    world.run()
    world.replay(*world.letters)
    world.run()

    assert len(got) == 1


def test_a_parked_event_of_an_old_version_is_read_once_more_after_its_replay(world: World):
    @world.event_type("order.placed", version=2)
    class OrderPlaced(BaseModel):
        cents: int

    @world.upcast("order.placed", 1)
    def to_cents(data):
        return {"cents": data["total"] * 100}

    got = []

    @world.on("order.placed", retry=ONCE)
    def check(event, ctx):
        got.append(event.data.cents)
        if len(got) == 1:
            raise ValueError

    old = Event(type="order.placed", data={"total": 7}, dataschema="urn:penstock:order.placed:1")
    world.publish_many([old])
    world.run()
    world.replay(*world.letters)
    world.run()

    assert got == [700, 700]


def test_a_parked_event_is_kept_as_it_came(world: World):
    @world.on("order.placed", retry=ONCE)
    def check(event, ctx):
        event.data["seen"] = True
        raise ValueError

    world.publish("order.placed", {"n": 1})
    world.run()

    assert world.letters[0].event.data == {"n": 1}


def test_a_replay_of_what_the_filter_keeps_out_is_told_as_cancelled(world: World):
    @world.on("order.placed", retry=ONCE)
    def check(event, ctx):
        raise ValueError

    world.publish("order.placed", 1)
    world.run()
    world.change("check", filter={"not": {"exact": {"data": 1}}})
    id = world.replay(*world.letters)
    world.run()

    last = world.deliveries[-1]
    assert (last.state, last.replay) == ("cancelled", id)
    assert world.replay_is_over(id)


def test_a_replay_of_what_can_not_be_read_comes_to_an_end(world: World):
    @world.on("order.placed")
    def check(event, ctx):
        raise AssertionError("never called")

    world.publish("order.paid")
    world.add("penstock:topic:order:0", b"e", b"no event")
    world.run()
    id = world.replay(*world.letters)
    world.run()

    assert world.replay_is_over(id)


def test_a_retry_that_the_filter_keeps_out_is_told_as_cancelled(world: World):
    @world.on("order.placed", retry=RetryPolicy(attempts=3, base=10, jitter=False))
    def check(event, ctx):
        raise ValueError

    world.publish("order.placed", 1)
    world.run()
    world.change("check", filter={"not": {"exact": {"data": 1}}})
    world.advance(10)

    assert world.states() == ["retrying", "cancelled"]


def test_a_rewind_delivers_everything_again_with_new_outputs(world: World):
    @world.on("order.placed", emits=["order.checked"])
    def check(event, ctx):
        return {"n": event.data}

    world.publish_many(Event(type="order.placed", data=number) for number in range(5))
    world.run()
    world.rewind("check")
    world.run()

    checked = world.events("order.checked")
    assert [event.data["n"] for event in checked] == [0, 1, 2, 3, 4] * 2
    assert len({event.id for event in checked}) == 10
    assert len({one.generation for one in world.deliveries}) == 2


def test_a_rewind_fences_who_is_at_work(world: World):
    calls = []

    @world.on("order.placed", emits=["order.checked"])
    def check(event, ctx):
        calls.append(ctx.generation)
        if len(calls) == 1:
            world.rewind("check")
        return {"call": len(calls)}

    world.publish("order.placed")
    world.run()
    world.run()

    assert len(calls) == 2
    assert [event.data for event in world.events("order.checked")] == [{"call": 2}]


def test_a_rewind_loses_nothing_that_was_in_hand_from_before_it(world: World):
    calls = []

    @world.on("order.placed", emits=["order.checked"])
    def check(event, ctx):
        calls.append(event.data)
        if len(calls) == 1:
            world.rewind("check", to=later)
        return {"of": event.data}

    world.publish("order.placed", "early")
    ((id, _),) = world.entries(keys.topic_stream("order", 0))
    later = (int(id.partition(b"-")[0]) + 1) / 1000
    world.pass_time(1)
    sleep(0.01)
    world.publish("order.placed", "late")
    world.run()
    world.run()

    assert calls.count("early") == 2, "once fenced, once as it came back"
    assert sorted(event.data["of"] for event in world.events("order.checked")) == ["early", "late"]
    assert world.pending("check") == 0


def test_after_a_rewind_a_waiting_retry_is_not_handled_beside_its_event(world: World):
    tries = []

    @world.on("order.placed", retry=RetryPolicy(attempts=5, base=10, factor=1, jitter=False))
    def check(event, ctx):
        tries.append(ctx.generation)
        if len(tries) == 1:
            raise ValueError

    world.publish("order.placed")
    world.run()
    world.rewind("check")
    world.run()
    world.advance(10)

    assert len(tries) == 2
    assert world.states()[-1] == "succeeded"
    assert world.pending("check") == 0
