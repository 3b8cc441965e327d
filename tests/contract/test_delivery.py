"""What is published reaches every subscription that asked for it, in order, once."""

from __future__ import annotations

import pytest

from app.clock import instant
from app.events.event import Event
from app.events.ids import delivery_id, emitted_id
from tests.contract.world import World


def test_events_reach_a_handler_in_their_order(world: World):
    got = []

    @world.on("order.placed")
    def note(event, ctx):
        got.append(event.data)

    world.publish_many(Event(type="order.placed", data=number) for number in range(50))
    world.run()

    assert got == list(range(50))
    assert world.states("note") == ["succeeded"] * 50
    assert world.pending("note") == 0


def test_every_subscription_gets_every_event_and_none_waits_for_another(world: World):
    first, second = [], []

    @world.on("order.placed")
    def one(event, ctx):
        first.append(event.id)

    @world.on("order.placed", "order.paid")
    def other(event, ctx):
        second.append(event.id)
        raise ValueError("this one never gets further")

    placed, paid = world.publish("order.placed"), world.publish("order.paid")
    world.run()

    assert first == [placed.id]
    assert second == [placed.id, paid.id]


def test_what_a_handler_returns_is_caused_by_its_event(world: World):
    @world.on("order.placed", emits=["order.checked"])
    def check(event, ctx):
        return {"ok": True}

    @world.on("order.checked", emits=["invoice.written"])
    def invoice(event, ctx):
        ctx.emit("invoice.written", {"of": event.causationid})

    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    placed = Event(type="order.placed", partitionkey="ada", traceparent=trace)
    world.publish_many([placed])
    world.run()

    (checked,) = world.events("order.checked")
    (written,) = world.events("invoice.written")
    assert checked.data == {"ok": True}
    assert (checked.causationid, checked.correlationid) == (placed.id, placed.id)
    assert (written.causationid, written.correlationid) == (checked.id, placed.id)
    assert checked.partitionkey == written.partitionkey == "ada"
    assert checked.source == "/subscriptions/check"
    assert written.traceparent and written.traceparent.split("-")[1] == trace.split("-")[1]


def test_outputs_have_the_time_of_their_making(world: World):
    @world.on("order.placed", emits=["order.checked"])
    def check(event, ctx):
        world.clock.sleep(60)
        ctx.emit("order.checked")
        mine = Event(type="order.checked", time=instant(12_345.0))
        return [mine, Event(type="order.checked", time=instant(0))]

    @world.on("order.checked", emits=["order.priced"])
    def price(event, ctx):
        return {}

    world.publish("order.placed")
    world.run()

    times = [event.time.timestamp() for event in world.events("order.checked")]
    assert times[1:] == [12_345.0, 0.0]
    begun = world.events("order.placed")[0].time.timestamp()
    assert times[0] == pytest.approx(begun + 60, abs=1)
    for priced in world.events("order.priced"):
        assert priced.time.timestamp() == pytest.approx(begun + 60, abs=1)


def test_emitted_ids_are_derived_and_in_order(world: World):
    @world.on("order.placed", emits=["order.checked", "order.priced"])
    def check(event, ctx):
        ctx.emit("order.priced", 5)
        return [Event(type="order.checked", data=1), Event(type="order.checked", data=2)]

    placed = world.publish("order.placed")
    world.run()

    emitted = world.events("order.checked", "order.priced")
    assert [event.data for event in emitted] == [5, 1, 2]
    assert [event.id for event in emitted] == [
        emitted_id(placed.source, placed.id, "check", 0, index) for index in range(3)
    ]
    assert world.deliveries[0].emitted == tuple(event.id for event in emitted)


def test_outputs_appear_with_the_acknowledgement_and_not_before(world: World):
    seen_meanwhile = []

    @world.on("order.placed", emits=["order.checked"])
    def check(event, ctx):
        ctx.emit("order.checked", {})
        seen_meanwhile.append((len(world.events("order.checked")), world.pending("check")))

    world.publish("order.placed")
    world.run()

    assert seen_meanwhile == [(0, 1)]
    assert len(world.events("order.checked")) == 1
    assert world.pending("check") == 0


def test_a_failed_attempt_publishes_nothing(world: World):
    @world.on("order.placed", emits=["order.checked"])
    def check(event, ctx):
        ctx.emit("order.checked", {})
        raise ValueError("after all")

    world.publish("order.placed")
    world.run()

    assert world.events("order.checked") == []


def test_a_filter_keeps_out_what_it_does_not_want(world: World):
    got = []

    @world.on("order.placed", filter={"exact": {"data.country": "CH"}})
    def swiss(event, ctx):
        got.append(event.data["n"])

    for number, country in enumerate(["CH", "DE", "CH"]):
        world.publish("order.placed", {"n": number, "country": country})
    world.run()

    assert got == [0, 2]
    assert world.pending("swiss") == 0, "what is kept out is acknowledged"
    assert world.states("swiss") == ["succeeded", "succeeded"]


@pytest.mark.parametrize("batch", [None, 4])
def test_an_event_that_an_expression_fails_on_is_parked_and_its_neighbours_go_on(
    world: World, batch: int | None
):
    got = []

    @world.on("order.placed", filter={"cel": "event.data.total > 100"}, batch=batch)
    def large(given, ctx):
        got.extend(event.data["total"] for event in (given if batch else [given]))

    for data in ({"total": 142}, {}, {"total": "much"}, {"total": 5}, {"total": 101.5}):
        world.publish("order.placed", data)
    world.run()

    assert got == [142, 101.5]
    assert world.pending("large") == 0
    letters = world.letters
    assert [letter.reason for letter in letters] == ["invalid", "invalid"]
    assert "the event has no 'total'" in letters[0].error


def test_an_operator_can_change_the_filter(world: World):
    got = []

    @world.on("order.placed")
    def note(event, ctx):
        got.append(event.data)

    world.publish("order.placed", 1)
    world.run()
    world.change("note", filter={"exact": {"data": 3}})
    world.publish("order.placed", 2)
    world.publish("order.placed", 3)
    world.run()

    assert got == [1, 3]


def test_other_types_of_the_topic_are_passed_over(world: World):
    got = []

    @world.on("order.placed")
    def note(event, ctx):
        got.append(event.type)

    for type in ("order.paid", "order.placed", "order.cancelled"):
        world.publish(type)
    world.run()

    assert got == ["order.placed"]
    assert world.pending("note") == 0


def test_a_subscription_to_everything_gets_topics_that_appear_later(world: World):
    got = []

    @world.on("order.placed", emits=["never-seen.before"])
    def pass_on(event, ctx):
        return {}

    @world.on("*")
    def everything(event, ctx):
        got.append(event.type)

    world.publish("order.placed")
    world.run()
    world.run()

    assert sorted(got) == ["never-seen.before", "order.placed"]


def test_a_new_subscription_begins_with_the_earliest_event_or_now(world: World):
    got = []

    @world.on("order.placed")
    def from_the_beginning(event, ctx):
        got.append(("beginning", event.data))

    @world.on("order.placed", start="now")
    def from_now(event, ctx):
        got.append(("now", event.data))

    # The topic is older than both of them.
    world.handlers.subscriptions, declared = {}, world.handlers.subscriptions
    world.publish("order.placed", 1)
    world.handlers.subscriptions.update(declared)
    world.declare()
    world.publish("order.placed", 2)
    world.run()

    assert sorted(got) == [("beginning", 1), ("beginning", 2), ("now", 2)]


def test_a_paused_subscription_gets_nothing_and_then_its_backlog(world: World):
    got = []

    @world.on("order.placed")
    def note(event, ctx):
        got.append(event.data)

    world.publish("order.placed", 1)
    world.run()
    world.pause("note")
    world.publish("order.placed", 2)
    world.run()
    assert got == [1]
    assert world.pending("note") == 0, "nothing is held behind a gate that is shut"

    world.resume("note")
    world.run()
    assert got == [1, 2]


def test_a_pause_in_mid_lease_gives_back_what_was_read(world: World):
    got = []

    @world.on("order.placed")
    def note(event, ctx):
        got.append(event.data)
        if event.data == 0:
            world.pause("note")

    world.publish_many(Event(type="order.placed", data=number) for number in range(100))
    world.run()

    assert 0 < len(got) < 100
    assert world.pending("note") == 0
    world.resume("note")
    world.run()
    assert sorted(got) == list(range(100))


def test_the_context_tells_the_delivery(world: World):
    told = []

    @world.on("order.placed")
    def note(event, ctx):
        told.append(
            (ctx.subscription, ctx.attempt, ctx.generation, ctx.delivery_id, ctx.correlationid)
        )

    placed = world.publish("order.placed")
    world.run()

    id = delivery_id(placed.source, placed.id, "note", 0)
    assert told == [("note", 1, 0, id, placed.id)]
