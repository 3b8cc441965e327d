"""`@process`: states, deadlines and compensation, each step once."""

from __future__ import annotations

import pytest
from sqlmodel import select
from structlog.testing import capture_logs

from app import Event, Process, process, when
from app.errors import Refused
from app.store import cases
from app.store.outbox import OutboxRow
from app.subscriptions.declaration import Handlers
from app.testing import InMemoryPlatform
from tests.contract.worker import Killed
from tests.contract.world import World

EMITS = ["payment.requested", "payment.refunded", "order.cancelled", "order.completed"]


def checkout(world: World, fails: list[BaseException] | None = None):
    @process(by="subject", emits=EMITS, name="checkout", handlers=world.handlers)
    class Checkout(Process):
        amount: int = 0

        @when("order.placed", start=True)
        def ask(self, event, ctx):
            self.amount = event.data
            self.become("unpaid", within="1h")
            return Event(type="payment.requested", data=self.amount)

        @when("payment.received", state="unpaid")
        def paid(self, event, ctx):
            if fails:
                raise fails.pop()
            self.compensate(Event(type="payment.refunded", data=self.amount))
            self.become("paid", within="1d")

        @when("parcel.packed", state="paid")
        def packed(self, event, ctx):
            self.finish()
            return Event(type="order.completed")

        @when("deadline.passed", state=["unpaid", "paid"])
        def too_late(self, event, ctx):
            return [*self.undo(), Event(type="order.cancelled", data=self.state)]

    return Checkout


def outputs(world: World) -> list[tuple[str, object]]:
    return [(event.type, event.data) for event in world.events(*EMITS)]


def put(world: World, *types: str) -> None:
    for type in types:
        world.publish(type, 12, subject="o-1")
        world.run()


def test_it_goes_through_its_states(world: World):
    checkout(world)
    put(world, "order.placed", "parcel.packed", "payment.received", "order.placed")
    assert outputs(world) == [("payment.requested", 12)]
    assert world.events("payment.requested")[0].subject == "o-1"  # what it is by
    put(world, "parcel.packed", "parcel.packed")
    world.advance(2 * 86_400)

    assert sorted(outputs(world), key=str) == [("order.completed", None), ("payment.requested", 12)]
    assert world.events("deadline.passed") == []


def test_a_deadline_is_that_of_the_state(world: World):
    checkout(world)
    put(world, "order.placed")
    world.advance(1800)
    put(world, "payment.received")
    world.advance(3600)
    assert world.events("deadline.passed") == []
    world.advance(86_400)

    assert sorted(outputs(world), key=str) == [
        ("order.cancelled", "undone"),
        ("payment.refunded", 12),
        ("payment.requested", 12),
    ]
    with world.platform.database.read() as session:
        (case,) = cases.find(session, "checkout")
        assert (case.key, case.state, case.data) == ("o-1", "undone", None)


def test_a_deadline_that_comes_after_its_state_was_left_does_nothing(world: World):
    checkout(world)
    put(world, "order.placed")
    world.pause("checkout")
    world.publish("payment.received", subject="o-1")
    world.advance(3700)
    world.resume("checkout")
    world.run()
    assert len(world.events("deadline.passed")) == 1
    assert outputs(world) == [("payment.requested", 12)]
    world.advance(86_400)
    assert ("payment.refunded", 12) in outputs(world)


def polling(world: World, fails: list[BaseException]):
    @process(by="subject", emits=["rate.asked"], name="polling", handlers=world.handlers)
    class Polling(Process):
        @when("poll.started", start=True)
        @when("deadline.passed", "rate.given", state="asking")
        def ask(self, event, ctx):
            if fails and event.type == "deadline.passed":
                raise fails.pop()
            self.become("asking", within="1h")
            return Event(type="rate.asked", data=event.type)


def test_a_deadline_counts_for_the_time_in_a_state_that_it_was_set_for(world: World):
    fails: list[BaseException] = [ConnectionError("hiccup")]
    polling(world, fails)
    put(world, "poll.started")
    world.advance(3600)  # fails, and is tried again after the same state was entered anew
    put(world, "rate.given")
    world.advance(600)
    asked = [event.data for event in world.events("rate.asked")]
    assert asked == ["poll.started", "rate.given"]
    world.advance(3600)
    assert [event.data for event in world.events("rate.asked")] == [*asked, "deadline.passed"]


def test_a_deadline_of_an_older_release_still_comes(world: World):
    checkout(world)
    put(world, "order.placed")
    with world.platform.database.session() as session:
        row = session.exec(select(OutboxRow)).one()
        event = Event.from_bytes(row.event.encode())
        bare = event.but(data={"of": event.data["of"], "key": event.data["key"]})
        row.event = bare.to_bytes().decode()
        (case,) = cases.find(session, "checkout")
        case.data = {name: case.data[name] for name in ("fields", "undo")}
    world.advance(3600)
    assert ("order.cancelled", "undone") in outputs(world)


def test_what_comes_before_the_start_waits_for_it(world: World):
    checkout(world)
    put(world, "parcel.packed", "payment.received")
    assert outputs(world) == []
    put(world, "order.placed", "parcel.packed")

    assert ("order.completed", None) in outputs(world)


def test_what_would_begin_a_process_that_is_over_is_told():
    handlers = Handlers()

    @process(by="subject", handlers=handlers)
    class Visit(Process):
        @when("visit.begun", start=True)
        def begun(self, event, ctx):
            self.finish()

    platform = InMemoryPlatform(handlers)
    for _ in range(2):
        platform.publish("visit.begun", subject="ada")
        with capture_logs() as logs:
            platform.run()
    assert [(one["key"], one["state"]) for one in logs if "is over" in one["event"]] == [
        ("ada", "done")
    ]


@pytest.mark.parametrize("settling", [False, True])
def test_a_kill_neither_loses_nor_doubles_a_step(world: World, settling: bool):
    fails: list[BaseException] = []
    checkout(world, fails)
    put(world, "order.placed")
    world.publish("payment.received", subject="o-1")
    if not settling:
        fails.append(Killed())
    world.worker().run_until_killed(settling=settling)
    world.run()
    world.advance(2 * 86_400)

    assert [type for type, _ in outputs(world)].count("payment.refunded") == 1


def test_a_class_that_cannot_work_is_refused():
    with pytest.raises(Refused, match="start=True"):

        @process(handlers=Handlers())
        class Nothing(Process):
            @when("a.done", state="b")
            def step(self, event, ctx): ...


def test_a_start_step_that_waits_in_a_state_is_refused():
    with pytest.raises(Refused, match="leave state out"):
        when("a.done", state="new", start=True)


def test_a_start_step_that_does_something_and_moves_nowhere_is_told(world: World):
    @process(by="subject", emits=EMITS, name="checkout", handlers=world.handlers)
    class Checkout(Process):
        amount: int = 0

        @when("order.placed", start=True)
        def ask(self, event, ctx):
            if event.data == "nothing":
                return None
            if event.data == "well":
                return self.become("unpaid")
            self.amount = event.data
            return None

        @when("payment.received", state="unpaid")
        def paid(self, event, ctx):
            self.finish()
            return Event(type="order.completed")

    world.publish("order.placed", 12, subject="o-1")
    world.publish("payment.received", subject="o-2")  # waits for its process
    world.publish("order.placed", "nothing", subject="o-2")  # which does not begin
    world.publish("order.placed", "nothing", subject="o-3")
    world.run()
    world.publish("order.placed", "well", subject="o-2")
    world.run()
    (told,) = {one.error for one in world.deliveries if one.error}
    assert "moved nowhere" in told
    assert outputs(world) == [("order.completed", None)]
    with world.platform.database.read() as session:
        assert [row.key for row in cases.find(session, "checkout")] == ["o-2"]


@pytest.mark.parametrize("state", ["done", "expired", "undone", ""])
def test_a_state_that_ends_a_process_is_refused(state: str):
    with pytest.raises(Refused, match="state"):
        when("a.done", state=["open", state])
    with pytest.raises(Refused, match="state"):
        Process().become(state)


def test_a_field_without_a_start_value_is_refused():
    with pytest.raises(Refused, match="give amount a start value"):

        @process(handlers=Handlers())
        class Open(Process):
            amount: int

            @when("a.done", start=True)
            def step(self, event, ctx): ...


def test_steps_are_inherited_and_can_be_replaced(world: World):
    class Base(Process):
        @when("order.placed", start=True)
        def ask(self, event, ctx):
            self.become("unpaid")

        @when("payment.received", state="unpaid")
        def paid(self, event, ctx):
            raise AssertionError("it is replaced")

    @process(by="subject", emits=EMITS, name="checkout", handlers=world.handlers)
    class Checkout(Base):
        @when("payment.received", state="unpaid")
        def paid(self, event, ctx):
            self.finish()
            return Event(type="order.completed")

    put(world, "order.placed", "payment.received")
    assert outputs(world) == [("order.completed", None)]
