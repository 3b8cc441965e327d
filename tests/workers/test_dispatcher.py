"""A slot is given to a new lease only when nobody's is noted in it: a death must not be hidden."""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import Any

import pytest

from app.streams.entry import Entry
from app.subscriptions.slots import Slots
from app.subscriptions.watch import Watch
from app.testing import FakeClock
from workers.dispatcher import Dispatcher
from workers.message import LeaseMessage
from workers.slots import Desks


class Released:
    """The broker of a watch, which notes whose entries it was told to give back."""

    def __init__(self) -> None:
        self.consumers: list[str] = []

    def release(self, _subscription: str, consumer: str, *_: Any, **__: Any) -> None:
        self.consumers.append(consumer)

    def disown_all(self, _consumer: str) -> None:
        """It owned nothing."""


@pytest.fixture
def started() -> list[LeaseMessage]:
    return []


@pytest.fixture
def dispatcher(started: list[LeaseMessage]) -> Dispatcher:
    nothing: Any = SimpleNamespace()
    desks = Desks(Slots(1), ("default",), 1)
    return Dispatcher(desks, nothing, nothing, FakeClock(), started.append, lambda: 1)


def _dies_with_an_event(dispatcher: Dispatcher) -> None:
    """A child that takes an event, and is gone."""
    child = os.fork()
    if not child:
        slot = dispatcher.desks.slots.slot(0)
        slot.open("dead", 0.0)
        slot.take("dead", "shop.check", [Entry("stream", b"1-0", b"")])
        slot.begin(0, 1, 0.0, 0.0)
        os._exit(9)
    os.waitpid(child, 0)


def test_a_dead_childs_slot_waits_for_the_watch(
    dispatcher: Dispatcher, started: list[LeaseMessage], monkeypatch: pytest.MonkeyPatch
) -> None:
    slots, broker = dispatcher.desks.slots, Released()
    roster: Any = SimpleNamespace(version=0, handlings={})
    watch = Watch(slots, broker, roster, "w", FakeClock(), dispatcher.vacated)  # type: ignore[arg-type]
    monkeypatch.setattr(watch, "_release_unknown", lambda pid: None)
    dispatcher.consider(["default"])
    (lease,) = started
    _dies_with_an_event(dispatcher)
    dispatcher.consider(["default"])  # it rings: there is work for another lease

    lease.ack_log_error()  # Celery has seen the death first
    assert started == [lease], "a new lease would write over what the dead one held"
    watch.look()
    assert broker.consumers == ["dead"]
    assert len(started) == 2


def test_a_slot_whose_lease_ended_is_used_again_at_once(
    dispatcher: Dispatcher, started: list[LeaseMessage]
) -> None:
    dispatcher.consider(["default"])
    dispatcher.desks.slots.slot(0).open("c", 0.0)
    dispatcher.consider(["default"])
    dispatcher.desks.slots.slot(0).close()
    started[0].ack_log_error()
    assert len(started) == 2
