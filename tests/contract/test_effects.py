"""What a handler writes to `ctx.session` happens once, together with its outputs."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import event as hooks
from sqlalchemy import text

from app import Reject, RetryPolicy
from app.errors import Unavailable
from app.events.event import Event
from app.store import effects
from app.store.database import Database
from tests.contract.worker import Killed
from tests.contract.world import MemoryWorld, World

Count = Callable[[], list[int]]


@pytest.fixture
def ledger(world: World) -> Count:
    """Makes a table for the test's handlers; answers what is in it."""

    def numbers() -> list[int]:
        with world.platform.database.read() as session:
            return [row[0] for row in session.execute(text("SELECT n FROM ledger ORDER BY n"))]

    return numbers


def _make(world: World) -> None:
    with world.platform.database.session() as session:
        session.execute(text("CREATE TABLE ledger (n INTEGER)"))


def _write(ctx, number: int) -> None:
    ctx.session.execute(text("INSERT INTO ledger VALUES (:n)"), {"n": number})


def test_effects_are_committed_with_the_success(world: World, ledger: Count):
    @world.on("order.placed")
    def book(event, ctx):
        _write(ctx, event.data)

    _make(world)
    world.publish_many(Event(type="order.placed", data=number) for number in range(5))
    world.run()

    assert ledger() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("end", ["commit", "rollback", "close"])
def test_a_handler_can_not_end_the_transaction_itself(world: World, ledger: Count, end: str):
    @world.on("order.placed", retry=RetryPolicy(attempts=1))
    def book(event, ctx):
        _write(ctx, event.data)
        getattr(ctx.session, end)()

    _make(world)
    world.publish("order.placed", 1)
    world.run()

    assert ledger() == []
    assert "NotYours: This session is committed for you" in world.letters[0].error


def test_a_failed_attempt_leaves_no_effect(world: World, ledger: Count):
    @world.on("order.placed", retry=RetryPolicy(attempts=3, base=10, jitter=False))
    def book(event, ctx):
        _write(ctx, ctx.attempt)
        if ctx.attempt == 1:
            raise ValueError
        if ctx.attempt == 2:
            raise Reject("no")

    _make(world)
    world.publish("order.placed")
    world.run()
    world.advance(10)

    assert world.states() == ["retrying", "parked"]
    assert ledger() == []


def test_an_invalid_output_takes_its_effects_with_it(world: World, ledger: Count):
    @world.on("order.placed")
    def book(event, ctx):
        _write(ctx, 1)
        return Event(type="order.undeclared")

    _make(world)
    world.publish("order.placed")
    world.run()

    assert ledger() == []
    assert world.letters[0].reason == "invalid"


def test_a_crash_between_commit_and_settle_publishes_from_what_was_stored(
    world: World, ledger: Count
):
    calls = []

    @world.on("order.placed", emits=["order.booked"])
    def book(event, ctx):
        calls.append(event.data)
        _write(ctx, event.data)
        return {"n": event.data, "call": len(calls)}

    _make(world)
    world.publish_many(Event(type="order.placed", data=number) for number in range(3))
    world.worker().run_until_killed(settling=True)
    assert ledger() == [0], "the effect is there"
    assert world.events("order.booked") == [], "its output is not"
    world.run()

    assert ledger() == [0, 1, 2]
    booked = {event.data["n"]: event.data["call"] for event in world.events("order.booked")}
    assert booked == {0: 1, 1: 2, 2: 3}, "the first call's output, without another call"
    assert len(world.events("order.booked")) == 3


def test_a_batch_that_crashed_between_commit_and_settle(world: World, ledger: Count):
    calls = []

    @world.on("order.placed", emits=["order.booked"], batch=4)
    def book(events, ctx):
        calls.append(len(events))
        for event in events:
            _write(ctx, event.data)
        return [{"n": event.data} for event in events]

    _make(world)
    world.publish_many(Event(type="order.placed", data=number) for number in range(4))
    world.worker().run_until_killed(settling=True)
    world.run()

    assert calls == [4]
    assert ledger() == [0, 1, 2, 3]
    assert sorted(event.data["n"] for event in world.events("order.booked")) == [0, 1, 2, 3]


def test_of_two_executions_at_once_only_the_first_commits(world: World, ledger: Count):
    calls = []

    @world.on("order.placed", emits=["order.booked"])
    def book(event, ctx):
        calls.append(ctx.delivery_id)
        mine = len(calls)
        if mine == 1:
            slow.lose("book")
            world.worker().run()
        _write(ctx, mine)
        return {"call": mine}

    _make(world)
    slow = world.worker()
    world.publish("order.placed")
    slow.run()

    assert len(calls) == 2
    assert ledger() == [2]
    assert [event.data for event in world.events("order.booked")] == [{"call": 2}]


def test_in_a_batch_each_event_is_done_once_though_a_part_was_done_elsewhere(
    world: World, ledger: Count
):
    calls = []

    @world.on("order.placed", emits=["order.booked"], batch=3)
    def book(events, ctx):
        calls.append([event.data for event in events])
        if len(calls) == 1:
            stream, id = ctx.entries[1].stream, ctx.entries[1].id
            slow.broker.release("book", slow.lease.consumer, stream, 0, only=(id, id))
            world.worker().run()
        for event in events:
            _write(ctx, event.data)
        return [{"n": event.data} for event in events]

    _make(world)
    slow = world.worker()
    world.publish_many(Event(type="order.placed", data=number) for number in range(3))
    slow.run()

    assert ledger() == [0, 1, 2]
    assert sorted(event.data["n"] for event in world.events("order.booked")) == [0, 1, 2]
    assert world.pending("book") == 0


def test_a_replay_has_its_effects_anew(world: World, ledger: Count):
    @world.on("order.placed", retry=RetryPolicy(attempts=1))
    def book(event, ctx):
        _write(ctx, ctx.generation)
        if not ctx.replay:
            raise ValueError

    _make(world)
    world.publish("order.placed")
    world.run()
    world.replay(*world.letters)
    world.run()

    assert len(ledger()) == 1
    assert world.states() == ["parked", "succeeded"]


def test_a_killed_attempt_that_did_not_commit_leaves_nothing(world: World, ledger: Count):
    calls = []

    @world.on("order.placed")
    def book(event, ctx):
        calls.append(event.data)
        _write(ctx, event.data)
        if len(calls) == 1:
            # A process that ends takes its transaction with it.
            ctx.effects.abandon(RuntimeError())
            raise Killed

    _make(world)
    world.publish("order.placed", 7)
    world.worker().run_until_killed()
    world.run()

    assert calls == [7, 7]
    assert ledger() == [7]


@pytest.mark.parametrize("batch", [None, 2])
def test_a_commit_whose_answer_was_lost_holds(world: World, ledger: Count, batch):
    """Done again, its own effects would be in its way until it is parked, without its outputs."""
    lost = []

    @world.on("order.placed", emits=["order.booked"], batch=batch, retry=RetryPolicy(attempts=1))
    def book(given, ctx):
        events = given if batch else [given]
        for event in events:
            assert event.data not in ledger(), "that has been done"
            _write(ctx, event.data)
        if not lost:
            hooks.listen(ctx.session, "after_commit", lambda _: lost.append(1) or _away())
        booked = [{"n": event.data} for event in events]
        return booked if batch else booked[0]

    _make(world)
    world.publish_many(Event(type="order.placed", data=number) for number in range(2))
    world.run()
    world.advance(5)

    assert ledger() == [0, 1]
    assert sorted(event.data["n"] for event in world.events("order.booked")) == [0, 1]
    assert world.letters == []


def _away() -> None:
    raise Unavailable("the connection was lost")


@pytest.mark.parametrize("when", ["as it fails", "after it failed"])
def test_what_another_execution_committed_counts_though_this_one_failed(
    world: World, ledger: Count, when
):
    """As where a process stood still, was taken for dead, and goes on while its successor works."""
    calls = []

    def others_commit() -> None:
        with world.platform.database.session() as session:
            session.execute(text("INSERT INTO ledger VALUES (7)"))
            outputs = [Event(type="order.booked", data=7).to_dict()]
            effects.add(session, calls[0].delivery_id, outputs, world.clock.now())

    @world.on("order.placed", emits=["order.booked"], retry=RetryPolicy(attempts=2, base=10))
    def book(event, ctx):
        calls.append(ctx)
        if len(calls) == 1:
            raise Killed
        if when == "as it fails":
            others_commit()
        raise Reject("booked already") if when == "as it fails" else ValueError

    _make(world)
    world.publish("order.placed")
    world.worker().run_until_killed()
    world.run()
    if when == "after it failed":
        others_commit()
    world.advance(10)

    assert (len(calls), ledger(), world.letters) == (2, [7], [])
    assert [event.data for event in world.events("order.booked")] == [7]


def test_a_table_that_is_not_there_is_the_handlers_own_mistake(world: World):
    @world.on("order.placed", retry=RetryPolicy(attempts=2, base=10, jitter=False))
    def book(event, ctx):
        ctx.session.execute(text("INSERT INTO legder VALUES (1)"))

    world.publish("order.placed")
    world.run()
    world.advance(10)

    assert world.states() == ["retrying", "parked"]
    assert world.letters[0].reason == "exhausted"
    assert "legder" in world.letters[0].error


def test_another_transaction_in_the_way_is_no_fault_of_the_event(migrated_postgres_url: str):
    """Tried again until it is gone, though the policy allows a single attempt."""
    world = MemoryWorld()
    world.platform.database = Database(migrated_postgres_url)
    tries = []

    @world.on("order.placed", retry=RetryPolicy(attempts=1))
    def book(event, ctx):
        tries.append(ctx.attempt)
        ctx.session.execute(text("LOCK TABLE ledger IN ACCESS EXCLUSIVE MODE NOWAIT"))
        _write(ctx, event.data)

    _make(world)
    other = Database(migrated_postgres_url)
    with other.session() as session:
        session.execute(text("LOCK TABLE ledger"))
        world.publish("order.placed", 7)
        worker = world.worker()
        worker.run()
        world.pass_time(5)
        worker.run()
    world.pass_time(5)
    worker.run()

    assert tries == [1, 1, 1]
    assert world.states() == ["retrying", "retrying", "succeeded"]
    with other.read() as session:
        assert session.execute(text("SELECT n FROM ledger")).scalars().all() == [7]
    other.dispose()
    world.platform.close()


def test_where_our_own_table_is_missing_it_is_the_databases_condition(tmp_path):
    world = MemoryWorld()
    world.platform.database = Database(f"sqlite:///{tmp_path / 'not-migrated.db'}")

    @world.on("order.placed", retry=RetryPolicy(attempts=1))
    def book(event, ctx):
        ctx.session.execute(text("SELECT 1"))

    world.publish("order.placed")
    world.worker().run()

    assert world.states() == ["retrying"]
    world.platform.close()
