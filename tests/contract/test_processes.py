"""`@process`: states, deadlines and compensation, each step once."""

from __future__ import annotations

import pytest

from app import Event, Process, process, when
from app.errors import Refused
from app.store import cases
from app.subscriptions.declaration import Handlers
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


def test_what_comes_before_the_start_waits_for_it(world: World):
    checkout(world)
    put(world, "parcel.packed", "payment.received")
    assert outputs(world) == []
    put(world, "order.placed", "parcel.packed")

    assert ("order.completed", None) in outputs(world)


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
