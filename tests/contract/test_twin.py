"""What the platform in memory offers to a handler's tests, beyond the contract."""

from __future__ import annotations

import sys
from time import perf_counter
from types import ModuleType

import pytest
from pydantic import BaseModel
from sqlalchemy import text

import app
from app import Reject, RetryPolicy, every, on
from app.cqrs import giving
from app.errors import InvalidEvents, NotFound, Refused, Unavailable
from app.events.event import Event
from app.events.schema import EventTypes, event_type
from app.subscriptions.declaration import HANDLERS, Handlers
from app.testing import FakeClock, InMemoryPlatform

ONCE = RetryPolicy(attempts=1)


@pytest.fixture
def handlers() -> Handlers:
    return Handlers()


def test_a_pipeline_runs_to_its_end(handlers: Handlers):
    @on("order.placed", emits=["order.checked"], handlers=handlers)
    def check(event, ctx):
        return {"total": event.data["total"]}

    @on("order.checked", emits=["invoice.written"], handlers=handlers, batch=10)
    def invoice(events, ctx):
        return [{"of": event.data["total"]} for event in events]

    platform = InMemoryPlatform(handlers)
    placed = platform.publish("order.placed", {"total": 12}, key="ada", subject="orders/1")

    assert platform.run() == 2
    assert [event.type for event in platform.events()] == [
        "order.placed",
        "order.checked",
        "invoice.written",
    ]
    (written,) = platform.events("invoice.written")
    assert written.data == {"of": 12}
    assert written.correlationid == placed.id
    assert [one.state for one in platform.deliveries] == ["succeeded", "succeeded"]
    assert platform.run() == 0


def test_a_pipeline_of_ten_events_takes_milliseconds(handlers: Handlers):
    @on("order.placed", emits=["order.checked"], handlers=handlers)
    def check(event, ctx):
        return {}

    def seconds() -> float:
        begun = perf_counter()
        platform = InMemoryPlatform(handlers)
        platform.publish_many(Event(type="order.placed") for _ in range(10))
        assert platform.run() == 10
        return perf_counter() - begun

    # The best of several, since the machine may be busy with something else.
    assert min(seconds() for _ in range(10)) < 0.05


def test_time_passes_only_when_told(handlers: Handlers):
    tries = []

    @on("order.placed", retry=RetryPolicy(attempts=3, base=60, jitter=False), handlers=handlers)
    def check(event, ctx):
        tries.append(clock.now())
        raise ValueError

    clock = FakeClock(1_000_000.0)
    platform = InMemoryPlatform(handlers, clock=clock)
    platform.publish("order.placed")
    platform.run()
    assert platform.delayed == 1
    platform.advance(59)
    assert len(tries) == 1
    platform.advance(10_000)

    assert tries == pytest.approx([1_000_000, 1_000_060, 1_000_180], abs=0.01)
    assert clock.now() == pytest.approx(1_010_059, abs=0.01)
    (letter,) = platform.dead_letters
    assert (letter.reason, letter.error, len(letter.attempts)) == ("exhausted", "ValueError: ", 3)


def test_drain_goes_on_until_nothing_is_delayed(handlers: Handlers):
    @on("order.placed", retry=RetryPolicy(attempts=20), handlers=handlers)
    def check(event, ctx):
        raise ValueError

    platform = InMemoryPlatform(handlers)
    platform.publish("order.placed", after=3600)

    assert platform.drain() == 20
    assert platform.delayed == 0
    assert len(platform.dead_letters[0].attempts) == 20


def test_what_is_tried_again_without_end_can_not_be_drained(handlers: Handlers):
    @on("order.placed", handlers=handlers)
    def check(event, ctx):
        raise Unavailable("nobody is there")

    platform = InMemoryPlatform(handlers)
    platform.publish("order.placed")
    with pytest.raises(RuntimeError, match="without end"):
        platform.drain()


def test_a_dead_letter_is_replayed_as_it_is_or_with_other_data(handlers: Handlers):
    @on("order.placed", emits=["order.checked"], retry=ONCE, handlers=handlers)
    def check(event, ctx):
        if event.data["total"] < 0:
            raise Reject("a negative total")
        return {"total": event.data["total"]}

    platform = InMemoryPlatform(handlers)
    placed = platform.publish("order.placed", {"total": -5})
    platform.run()
    platform.replay(*platform.dead_letters)
    assert platform.dead_letters == []
    platform.run()
    (letter,) = platform.dead_letters
    assert len(letter.attempts) == 2, "the same dead letter, with another attempt"

    platform.replay(letter, data={"total": 5})
    platform.run()
    assert platform.dead_letters == []
    (checked,) = platform.events("order.checked")
    assert checked.data == {"total": 5}
    assert checked.correlationid == placed.id
    with pytest.raises(NotFound, match="isn't parked"):
        platform.replay(letter)


def test_what_is_replayed_and_not_wanted_stays_parked(handlers: Handlers):
    @on("order.placed", retry=ONCE, handlers=handlers)
    def check(event, ctx):
        raise ValueError

    platform = InMemoryPlatform(handlers)
    platform.publish("order.placed", {"country": "XX"})
    platform.run()
    (letter,) = platform.dead_letters
    platform.change(check, filter={"exact": {"data.country": "CH"}})
    platform.replay(letter)
    platform.run()

    assert platform.dead_letters == [letter]
    platform.replay(letter, data={"country": "CH"})
    platform.run()
    assert [one.event.data for one in platform.dead_letters] == [{"country": "CH"}]


def test_a_replay_is_checked_against_the_schema(handlers: Handlers):
    types = EventTypes()

    @event_type("order.placed", types=types)
    class OrderPlaced(BaseModel):
        total: int

    @on("order.placed", retry=ONCE, handlers=handlers)
    def check(event, ctx):
        raise ValueError

    platform = InMemoryPlatform(handlers, types=types)
    platform.publish("order.placed", OrderPlaced(total=5))
    platform.run()
    with pytest.raises(InvalidEvents, match="total"):
        platform.replay(*platform.dead_letters, data={"total": "much"})

    assert len(platform.dead_letters) == 1, "nothing was sent"
    assert platform.events("order.placed")[0].data == OrderPlaced(total=5)


def test_the_gate(handlers: Handlers):
    got = []

    @on("order.placed", handlers=handlers)
    def check(event, ctx):
        got.append(event.data)

    platform = InMemoryPlatform(handlers)
    platform.pause(check)
    platform.publish("order.placed", 1)
    platform.run()
    assert got == []
    platform.resume(check)
    platform.run()
    platform.rewind(check)
    platform.run()
    assert got == [1, 1]
    platform.clock.sleep(60)
    moment = platform.clock.now()
    platform.publish("order.placed", 2)
    platform.run()
    platform.rewind(check, to=moment)
    platform.run()
    assert got == [1, 1, 2, 2]


def test_the_calendar(handlers: Handlers):
    fired = []

    @every("0 3 * * *", handlers=handlers)
    def at_three(event, ctx):
        fired.append(event.data["due"])

    platform = InMemoryPlatform(handlers, clock=FakeClock(1_767_225_600.0))
    platform.run()
    platform.advance(3 * 3600 - 1)
    assert fired == []
    platform.advance(1)
    platform.advance(2 * 86_400)

    assert [moment[:16] for moment in fired] == [f"2026-01-0{day}T03:00" for day in (1, 2, 3)]
    assert platform.drain() == 0, "a schedule without end is nothing to wait for"


def test_only_what_can_be_changed_is_changed(handlers: Handlers):
    @on("order.placed", handlers=handlers)
    def check(event, ctx):
        """Nothing to do."""

    with pytest.raises(Refused, match="retry, filter, timeout"):
        InMemoryPlatform(handlers).change(check, rate=5)


def test_handlers_are_chosen_by_module_function_or_name():
    module = ModuleType("tests.contract.made_up_handlers")
    exec(
        "from app import on\n"
        "@on('made-up.begun', emits=['made-up.done'])\n"
        "def first(event, ctx):\n    return {}\n"
        "@on('made-up.done', name='the-second')\n"
        "def second(event, ctx):\n    pass\n",
        module.__dict__,
    )
    sys.modules[module.__name__] = module
    try:
        assert _names([module]) == {"tests.contract.made_up_handlers.first", "the-second"}
        assert _names([module.first]) == {"tests.contract.made_up_handlers.first"}
        assert _names(["the-second"]) == {"the-second"}
        assert {"the-second", "tests.contract.made_up_handlers.first"} <= _names(None)
        assert not any(name.startswith("penstock.") for name in _names(None))
    finally:
        del sys.modules[module.__name__]
        for name in ("tests.contract.made_up_handlers.first", "the-second"):
            del HANDLERS.subscriptions[name]


def _names(chosen) -> set[str]:
    """Without the one that is always there: commands are carried out in every test."""
    return set(InMemoryPlatform(chosen).platform.handlers.subscriptions) - {giving.NAME}


def test_what_has_no_handler_is_refused():
    def plain(event, ctx):
        """A function without @on."""

    with pytest.raises(Refused, match="is it decorated with @on"):
        InMemoryPlatform(handlers=[plain])


def test_it_is_where_publish_publishes(handlers: Handlers):
    @on("order.placed", handlers=handlers)
    def check(event, ctx):
        app.publish("order.noticed", {"of": event.id})

    with InMemoryPlatform(handlers) as platform:
        placed = app.publish("order.placed")
        assert app.publish_many([Event(type="order.placed", id=placed.id)]) == 0
        platform.run()

    assert [event.data for event in platform.events("order.noticed")] == [{"of": placed.id}]


def test_a_pipeline_that_feeds_itself_is_stopped(handlers: Handlers):
    @on("order.placed", emits=["order.placed"], handlers=handlers)
    def again(event, ctx):
        return [{}, {}]

    platform = InMemoryPlatform(handlers)
    platform.publish("order.placed")
    with pytest.raises(RuntimeError, match="does not come to rest"):
        platform.run(limit=500)


def test_an_interrupted_run_can_be_run_again(handlers: Handlers):
    calls = []

    @on("order.placed", ordered=True, handlers=handlers)
    def check(event, ctx):
        calls.append(event.data)
        if len(calls) == 2:
            raise KeyboardInterrupt

    platform = InMemoryPlatform(handlers)
    platform.publish_many(Event(type="order.placed", data=number) for number in range(4))
    with pytest.raises(KeyboardInterrupt):
        platform.run()
    platform.run()

    assert calls[-3:] == [1, 2, 3]


def test_a_database_and_blobs_are_there_when_they_are_used(handlers: Handlers):
    @on("order.placed", emits=["order.filed"], handlers=handlers)
    def file_away(event, ctx):
        ctx.session.execute(text("CREATE TABLE paper (n INTEGER)"))
        ctx.session.execute(text("INSERT INTO paper VALUES (7)"))
        return {"ref": ctx.blobs.put(b"a scan")}

    platform = InMemoryPlatform(handlers)
    platform.publish("order.placed")
    platform.run()

    assert platform.dead_letters == []
    with platform.database.read() as session:
        assert session.execute(text("SELECT n FROM paper")).scalar() == 7
    (filed,) = platform.events("order.filed")
    assert platform.blobs.read(filed.data["ref"]) == b"a scan"
    assert platform.blobs.size(filed.data["ref"]) == 6
    platform.blobs.delete(filed.data["ref"])
    with pytest.raises(NotFound):
        platform.blobs.read(filed.data["ref"])


def test_what_needs_a_server_says_so(handlers: Handlers):
    with pytest.raises(Refused, match="has no Redis"):
        _ = InMemoryPlatform(handlers).platform.redis


def test_a_window_of_duplicates_ends(handlers: Handlers):
    platform = InMemoryPlatform(handlers)
    event = Event(type="order.placed", id="1")

    assert platform.publish_many([event]) == 1
    platform.advance(86_000)
    assert platform.publish_many([event]) == 0
    platform.advance(1000)
    assert platform.publish_many([event]) == 1


def test_the_clock_does_not_go_back():
    with pytest.raises(ValueError, match="back"):
        FakeClock().sleep(-1)
