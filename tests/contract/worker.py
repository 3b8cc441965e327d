"""Workers in one test process: each with a slot, a lease and the watch of its parent; and their deaths."""

from __future__ import annotations

import gc
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from app.subscriptions.declaration import LANES
from app.subscriptions.doorbell import Doorbell
from app.subscriptions.lease import Lease
from app.subscriptions.roster import Roster
from app.subscriptions.slots import Slot, Slots
from app.testing import FakeClock

if TYPE_CHECKING:
    from tests.contract.world import World

NOBODY = 2**22 + 7
"""A process id above every one that exists: that of a dead child."""


class Killed(BaseException):
    """Stands for the end of the process in the middle of a handler: nothing after it is run."""


class Worker:
    """One process with one slot: a lease, and the watch that its parent keeps."""

    def __init__(self, world: World, name: str):
        self.world = world
        self.name = name
        self.slots = Slots(1)
        self.broker = world.broker()
        self.lease = self.new_lease()
        roster = Roster(world.platform, LANES)
        self.watch = world.watch(self.slots, self.broker, roster, name, world.clock, lambda _: None)

    def new_lease(self) -> Lease:
        return Lease(
            Roster(self.world.platform, LANES),
            self.broker,
            Unhurried(self.world.doorbell(), self.world.clock),
            f"{self.name}.{next(self.world.numbers)}",
            self.name,
        )

    @property
    def slot(self) -> Slot:
        return self.slots.slot(0)

    def run(self, seconds: float = 60.0) -> int:
        """Deliver until nothing is left, or the slot is asked for; how many entries that were."""
        self.world._use()
        self.lease.refresh()
        return self.lease.run(self.slot, seconds)

    def run_until_killed(self, *, settling: bool = False) -> None:
        """Deliver until a handler raises `Killed`; the watch notices, and a new process begins.

        `settling`: it dies at its first settle, before that has an effect.
        """
        self.world._use()
        self.lease.refresh()
        self.lease.broker = self.world.broker()
        self.lease.broker.disown = lambda *_: None  # type: ignore[method-assign]
        if settling:
            self.lease.broker.settle = _die  # type: ignore[method-assign]
        try:
            self.lease.run(MortalSlot(self.slots, 0), seconds=60.0)
        except Killed:
            pass
        else:
            raise AssertionError("nothing killed this worker")
        # A dead process's connections are closed; here its frames must be gone for that.
        gc.collect()
        self.watch.look()
        self.lease = self.new_lease()

    def read(self, subscription: str, count: int = 10) -> list[Any]:
        """Take entries and do nothing with them."""
        self.lease.refresh()
        streams = self.lease.roster.all_streams(subscription)
        return self.broker.read(subscription, self.lease.consumer, streams, count).entries

    def lose(self, subscription: str, **how: Any) -> None:
        """What this worker holds goes to others, without its knowing."""
        self.lease.refresh()
        for stream in self.lease.roster.all_streams(subscription):
            self.broker.release(subscription, self.lease.consumer, stream, 0, **how)


def _die(*_: object) -> list[bytes]:
    raise Killed


class MortalSlot(Slot):
    """The slot of a process that is not there any more: nobody cleans it up."""

    def open(self, consumer: str, now: float) -> None:
        super().open(consumer, now)
        self._page[self._at : self._at + 8] = NOBODY.to_bytes(8, "little")

    def close(self, **_: object) -> None:
        """A dead process closes nothing."""


class Unhurried:
    """A doorbell that is asked without waiting, while the fake clock passes as if it had waited."""

    def __init__(self, doorbell: Doorbell, clock: FakeClock):
        self.doorbell = doorbell
        self.clock = clock
        self.watch = doorbell.watch

    def wait(self, milliseconds: int | None, except_for: Iterable[str] = ()) -> Any:
        rung, named = self.doorbell.wait(None, except_for)
        if milliseconds and not rung and not named:
            self.clock.sleep(milliseconds / 1000)
        return rung, named
