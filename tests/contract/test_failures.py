"""What fails is tried again, or parked with everything that a person needs."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import pytest
from pydantic import BaseModel

from app import Reject, Retry, RetryPolicy
from app.clock import instant
from app.errors import Unavailable
from app.events.event import Event
from app.streams import keys
from app.subscriptions import model_in_use, opening
from app.subscriptions.delivery import Handling
from tests.contract.world import World

STEADY = RetryPolicy(attempts=3, base=10.0, factor=2.0, jitter=False)


def test_a_failure_is_tried_again_after_its_wait(world: World):
    tries = []

    @world.on("order.placed", emits=["order.checked"], retry=STEADY)
    def check(event, ctx):
        tries.append(ctx.attempt)
        if ctx.attempt < 3:
            raise ValueError(f"attempt {ctx.attempt}")
        return {}

    world.publish("order.placed")
    world.run()
    assert tries == [1]
    assert world.pending("check") == 0, "a retry is not held by anybody while it waits"

    world.advance(9)
    assert tries == [1]
    world.advance(1)
    assert tries == [1, 2]
    world.advance(19)
    assert tries == [1, 2], "the second wait is twice as long"
    world.advance(1)

    assert tries == [1, 2, 3]
    assert world.states() == ["retrying", "retrying", "succeeded"]
    assert len(world.events("order.checked")) == 1
    assert world.letters == []


def test_exhausted_attempts_park_the_event_with_every_error(world: World):
    @world.on("order.placed", retry=STEADY)
    def check(event, ctx):
        if event.data:
            model_in_use.note("fraud", 3)  # as who serves a model does
        raise ValueError(f"number {ctx.attempt}")

    placed = world.publish("order.placed", {"n": 1}, key="ada")
    world.run()
    world.advance(10)
    world.advance(20)

    (letter,) = world.letters
    assert letter.reason == "exhausted"
    assert letter.subscription == "check"
    assert letter.model == "fraud, version 3"
    assert [one["error"] for one in letter.attempts] == [
        "ValueError: number 1",
        "ValueError: number 2",
        "ValueError: number 3",
    ]
    assert "raise ValueError" in letter.attempts[0]["traceback"]
    assert letter.event.id == placed.id
    assert letter.event.data == {"n": 1}
    assert letter.event.partitionkey == "ada"
    world.advance(10_000)
    assert world.states() == ["retrying", "retrying", "parked"], "parked is parked"


def test_a_retry_comes_back_to_its_own_subscription_only(world: World):
    failing, other = [], []

    @world.on("order.placed", retry=STEADY)
    def fails(event, ctx):
        failing.append(event.id)
        raise ValueError

    @world.on("order.placed")
    def succeeds(event, ctx):
        other.append(event.id)

    world.publish("order.placed")
    world.run()
    world.advance(10)

    assert len(failing) == 2
    assert len(other) == 1


def test_the_author_can_ask_for_a_retry_and_its_time(world: World):
    tries = []

    @world.on("order.placed", retry=STEADY)
    def check(event, ctx):
        tries.append(ctx.attempt)
        raise Retry("the other side is busy", after=60)

    world.publish("order.placed")
    world.run()
    world.advance(59)
    assert tries == [1]
    world.advance(1)
    assert tries == [1, 2]
    world.advance(60)

    assert world.letters[0].reason == "exhausted"
    assert world.letters[0].error == "Retry: the other side is busy"


def test_a_rejection_parks_at_once(world: World):
    tries = []

    @world.on("order.placed", retry=STEADY)
    def check(event, ctx):
        tries.append(ctx.attempt)
        raise Reject("without an address")

    world.publish("order.placed")
    world.run()
    world.advance(1000)

    assert tries == [1]
    (letter,) = world.letters
    assert (letter.reason, letter.error) == ("rejected", "Reject: without an address")


def test_a_rejection_or_retry_may_be_returned_as_well(world: World):
    @world.on("order.placed", retry=STEADY)
    def check(event, ctx):
        return Retry(after=7) if ctx.attempt == 1 else Reject("no")

    world.publish("order.placed")
    world.run()
    world.advance(7)

    assert world.states() == ["retrying", "parked"]
    assert world.letters[0].reason == "rejected"


def test_an_operator_can_change_the_policy(world: World):
    @world.on("order.placed", retry=STEADY)
    def check(event, ctx):
        raise ValueError

    world.publish("order.placed")
    world.run()
    world.change("check", retry={"attempts": 2, "base": 1, "cap": 1, "factor": 1, "jitter": False})
    world.advance(10)

    assert world.states() == ["retrying", "parked"]


def test_what_is_no_exception_of_the_usual_kind_is_a_failure_like_any_other(world: World):
    @world.on("order.placed", retry=RetryPolicy(attempts=1))
    def check(event, ctx):
        raise SystemExit(3)

    @world.on("order.paid", retry=RetryPolicy(attempts=1))
    def book(event, ctx):
        raise asyncio.CancelledError  # what `asyncio.run` raises where its coroutine was cancelled

    world.publish("order.placed")
    world.publish("order.paid")
    world.run()

    assert {one.error for one in world.letters} == {"SystemExit: 3", "CancelledError: "}


def test_an_error_that_cannot_be_written_is_still_told(world: World):
    @world.on("order.placed", retry=RetryPolicy(attempts=1))
    def check(event, ctx):
        raise ValueError("a file called \udcff")

    world.publish("order.placed")
    world.run()

    assert world.letters[0].error == "ValueError: a file called ?"


def test_what_our_surroundings_lack_is_no_attempt_of_the_events(world: World):
    tries = []

    @world.on("order.placed", retry=RetryPolicy(attempts=1))
    def check(event, ctx):
        tries.append(ctx.attempt)
        if len(tries) < 5:
            raise Unavailable("the database can't take this now")

    world.publish("order.placed")
    world.run()
    for _ in range(4):
        world.advance(60)

    assert tries == [1, 1, 1, 1, 1]
    assert world.letters == []


def test_an_expired_event_is_parked_without_being_handled(world: World):
    got = []

    @world.on("order.placed")
    def check(event, ctx):
        got.append(event.data)

    now = instant(world.clock.now())
    world.publish_many(
        [
            Event(type="order.placed", data="late", expirytime=now - timedelta(seconds=1)),
            Event(type="order.placed", data="in time", expirytime=now + timedelta(hours=1)),
        ]
    )
    world.run()

    assert got == ["in time"]
    (letter,) = world.letters
    assert letter.reason == "expired"
    assert letter.event.data == "late"


def test_the_archive_keeps_what_expired(world: World):
    kept = []

    @world.on("*", lane="system", name="archive")
    def keep(event, ctx):
        kept.append(event.data)

    expired = instant(world.clock.now()) - timedelta(seconds=1)
    world.publish_many([Event(type="order.placed", data="late", expirytime=expired)])
    world.run()

    assert kept == ["late"]
    assert world.letters == []


def test_an_expiry_without_a_timezone_holds_up_nobody(world: World):
    got = []

    @world.on("order.placed")
    def check(event, ctx):
        got.append(event.data)

    unchecked = Event(type="order.placed", data="odd", expirytime=datetime(2999, 1, 1))
    world.add(keys.topic_stream("order", 0), b"e", unchecked.to_bytes())
    world.publish("order.placed", "next")
    world.run()

    assert got == ["odd", "next"]


@pytest.mark.parametrize(
    ("returned", "said"),
    [
        (Event(type="order.lost"), "order.lost is not declared"),
        (42, "a handler returned a int"),
        ([{}, "text"], "a handler returned a str"),
        ({"n": object()}, "object"),
        ({"text": "x" * 2_000_000}, "bytes"),
    ],
)
def test_what_must_not_be_returned_parks_at_once_and_publishes_nothing(
    world: World, returned, said
):
    tries = []

    @world.on("order.placed", emits=["order.checked"], retry=STEADY)
    def check(event, ctx):
        tries.append(ctx.attempt)
        ctx.emit("order.checked", {})
        return returned

    world.publish("order.placed")
    world.run()
    world.advance(1000)

    assert tries == [1]
    (letter,) = world.letters
    assert letter.reason == "invalid"
    assert said in letter.error
    assert world.events("order.checked") == []


def test_a_dict_needs_a_single_type_in_emits(world: World):
    @world.on("order.placed", emits=["order.checked", "order.refused"])
    def check(event, ctx):
        return {}

    world.publish("order.placed")
    world.run()

    assert world.letters[0].reason == "invalid"
    assert "return an Event(type=" in world.letters[0].error


def test_an_output_against_its_schema_parks(world: World):
    @world.event_type("order.checked")
    class OrderChecked(BaseModel):
        total: int

    @world.on("order.placed", emits=["order.checked"], retry=STEADY)
    def check(event, ctx):
        return {"total": "much"}

    world.publish("order.placed")
    world.run()

    (letter,) = world.letters
    assert letter.reason == "invalid"
    assert "data.total" in letter.error


def test_bytes_that_are_no_event_are_parked_and_hold_nobody_up(world: World):
    got = []

    @world.on("order.placed")
    def check(event, ctx):
        got.append(event.data)

    world.publish("order.placed", 1)
    world.add(keys.topic_stream("order", 0), b"e", b"\xff\x00 not an event")
    world.publish("order.placed", 2)
    world.run()

    assert got == [1, 2]
    assert world.pending("check") == 0
    (letter,) = world.letters
    assert letter.reason == "invalid"
    assert letter.event.type == "unreadable"
    assert letter.event.data_base64


def test_data_that_no_class_can_read_is_parked(world: World):
    @world.event_type("order.placed")
    class OrderPlaced(BaseModel):
        total: int

    @world.on("order.placed")
    def check(event, ctx):
        raise AssertionError("never called")

    bad = Event(type="order.placed", data={"total": "much"})
    world.publish("order.paid")
    world.add(keys.topic_stream("order", 0), b"e", bad.to_bytes())
    world.run()

    (letter,) = world.letters
    assert letter.reason == "invalid"
    assert "data.total" in letter.error


def test_a_failing_upcaster_parks(world: World):
    @world.event_type("order.placed", version=2)
    class OrderPlaced(BaseModel):
        cents: int

    @world.upcast("order.placed", 1)
    def to_cents(data):
        return {"cents": data["total"] * 100}

    @world.on("order.placed")
    def check(event, ctx):
        raise AssertionError("never called")

    old = Event(type="order.placed", data={}, dataschema="urn:penstock:order.placed:1")
    world.publish("order.paid")
    world.add(keys.topic_stream("order", 0), b"e", old.to_bytes())
    world.run()

    (letter,) = world.letters
    assert letter.reason == "invalid"
    assert "KeyError" in letter.error


@pytest.mark.parametrize("batch", [None, 3])
def test_data_of_a_newer_release_waits_for_a_worker_that_has_it(
    world: World, batch: int | None
) -> None:
    """However often an older one meets it: it is no attempt of the event's, and no dead letter."""

    @world.event_type("order.placed")
    class OrderPlaced(BaseModel):
        total: int

    seen = []

    @world.on("order.placed", retry=RetryPolicy(attempts=2), **({"batch": batch} if batch else {}))
    def check(event, ctx):
        seen.extend(event if batch else [event])

    newer = Event(type="order.placed", data={"total": 2}, dataschema="urn:penstock:order.placed:2")
    world.publish("order.placed", {"total": 1})
    world.add(keys.topic_stream("order", 0), b"e", newer.to_bytes())
    for _ in range(4):
        world.run()
        world.advance(6)
    assert [event.data.total for event in seen] == [1] and world.letters == []

    @world.event_type("order.placed", version=2)
    class Placed(BaseModel):
        total: int

    world.advance(6)
    assert [event.data.total for event in seen] == [1, 2] and world.letters == []


def test_a_database_that_is_away_while_settling_is_no_loss_of_the_event(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    outages = [Unavailable("The database is away.")] * 5
    tracking_of = Handling.tracking_of

    def away_at_first(handling: Handling, event_type: str) -> str:
        if outages:
            raise outages.pop()
        return tracking_of(handling, event_type)

    @world.on("order.placed", name="check", emits=["order.checked"])
    def check(event, ctx):
        return {"n": event.data}

    monkeypatch.setattr(Handling, "tracking_of", away_at_first)
    world.publish("order.placed", 1)
    world.run()

    assert not outages
    assert world.letters == [] and world.states() == ["succeeded"]
    assert [event.data for event in world.events("order.checked")] == [{"n": 1}]


def test_a_mistake_of_ours_while_opening_costs_one_delivery(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    handled = []

    @world.on("order.placed", name="check")
    def check(event, ctx):
        handled.append(event.data["n"])

    def mistaken(event: Event) -> bool:
        if event.data["n"] == 1:
            raise ZeroDivisionError("nobody foresaw this")
        return True

    monkeypatch.setattr(opening, "compile_filter", lambda _: mistaken)
    for n in range(3):
        world.publish("order.placed", {"n": n})
    world.run()

    assert handled == [0, 2]
    (letter,) = world.letters
    assert letter.reason == "invalid"
    assert "nobody foresaw this" in letter.attempts[-1]["error"]
