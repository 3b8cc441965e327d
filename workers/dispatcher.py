"""Where there is work and a free slot, start a lease.

A thread of the worker's parent waits at the doorbell. It hands messages to the
main thread through `submit`, since Celery's consumer is not to be called from
another one.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence

import structlog
from redis.exceptions import RedisError

from app.clock import Clock
from app.streams import keys
from app.streams.backlog import backlogs
from app.streams.client import LOST
from app.subscriptions.doorbell import Doorbell
from app.subscriptions.roster import Roster
from workers.message import LeaseMessage
from workers.slots import Desk, Desks
from workers.standstill import Standstill, end_worker

LEASE = 10.0
"""Seconds that a lease lasts under load, before Celery sees its slot again."""
WAIT = 1000
"""Milliseconds at the doorbell."""
SWEEP = 5.0
"""Seconds between looks at the backlog itself: a doorbell is a hint."""
STANDSTILL = 15.0
"""Seconds between looks whether anything moves at all."""
HELP = 0.1
"""Seconds after which busy slots get the help of a free one, if there is a backlog."""

log = structlog.get_logger(__name__)


class Dispatcher:
    """Starts leases for one worker."""

    def __init__(
        self,
        desks: Desks,
        roster: Roster,
        doorbell: Doorbell,
        clock: Clock,
        submit: Callable[[LeaseMessage], None],
        limit: Callable[[], int],
        seconds: float = LEASE,
    ):
        self.desks = desks
        self.roster = roster
        self.doorbell = doorbell
        self.clock = clock
        self.submit = submit
        self.limit = limit
        self.seconds = seconds
        self.stopping = threading.Event()
        self._lock = threading.Lock()
        self._rung: dict[str, float] = {}
        self._looked = self._watched = float("-inf")
        self.standstill = Standstill(desks, roster, end_worker)

    def run(self) -> None:
        """The thread's loop."""
        while not self.stopping.is_set():
            try:
                self._step()
            except LOST as error:
                log.warning("lost Redis at the doorbell; waiting for it", error=str(error))
                self.stopping.wait(0.5)
            except RedisError as error:
                log.error("the doorbell failed", error=str(error))
                self.stopping.wait(1.0)
            except Exception:  # a worker without its dispatcher would live on and do nothing
                log.exception("the dispatcher failed; it goes on")
                self.stopping.wait(1.0)

    def _step(self) -> None:
        if self.roster.version < self.desks.slots.control or self.roster.version < 0:
            self.roster.refresh()
            self.doorbell.watch(self.roster.doorbell_streams())
            self.consider(self._lanes(self.roster.handlings))
        now = self.clock.monotonic()
        if now - self._watched > STANDSTILL:
            self._watched = now
            self.standstill.look(now)
        busy = bool(self.desks.running())
        if now - self._looked > (HELP if busy else SWEEP):
            self._looked = now
            self._look_at_backlogs()
        rung, named = self.doorbell.wait(int(HELP * 1000) if busy else WAIT)
        if keys.EVERYBODY in named:
            version = self.doorbell.wire("HGET", keys.CONTROL, "version")
            slots = self.desks.slots
            slots.control = max(slots.control, int(version or 0))  # the pulse sees to a lower one
        names = {name for stream in rung for name in self.roster.readers.get(stream, ())} | named
        if names:
            self.consider(self._lanes(names))

    def consider(self, lanes: Iterable[str]) -> None:
        """Work has come for these lanes: is somebody waiting for it, or can somebody be started?"""
        now = self.clock.monotonic()
        with self._lock:
            for lane in lanes:
                self._rung[lane] = now
                if not self.desks.attended(lane):
                    self._start(self.desks.free((lane,), self.limit()))

    def ended(self, request: str) -> None:
        """A lease has ended. What rang after it looked for the last time needs another."""
        with self._lock:
            desk = self.desks.done(request)
            if desk is not None and self.desks.vacant(desk):
                self._go_on(desk)

    def vacated(self, number: int) -> None:
        """A dead child's slot can be used again: what it held is with others, or waits for a lease."""
        with self._lock:
            desk = self.desks.desks[number]
            if desk.request is None:
                self._go_on(desk)

    def _go_on(self, desk: Desk) -> None:
        checked = self.desks.slots.slot(desk.number).checked()
        rung = any(self._rung.get(lane, 0.0) >= checked for lane in desk.lanes)
        room = len(self.desks.running()) < self.limit()
        if rung and room and not self.stopping.is_set():
            self._start(desk)

    def crowded(self) -> bool:
        """Whether more leases run than the pool has room for beside ordinary tasks."""
        return len(self.desks.running()) > self.limit()

    def sweep(self) -> None:
        """Free the slots that Celery dropped without telling, and use them."""
        with self._lock:
            for desk in self.desks.sweep():
                log.warning(
                    "Celery dropped a lease without telling; its slot is free again",
                    slot=desk.number,
                )
                self._looked = float("-inf")

    def _start(self, desk: Desk | None) -> None:
        if desk is None:
            return
        shown = f"slot {desk.number}: {', '.join(desk.lanes)}"
        ticket = self.desks.slots.slot(desk.number).next_ticket()
        arguments = [desk.number, list(desk.lanes), self.seconds, ticket]
        message = LeaseMessage(arguments, shown, self.ended)
        desk.request, desk.unheard = message.id, 0
        self.submit(message)

    def _look_at_backlogs(self) -> None:
        """Start leases for what nobody rang for, and to help those that are busy."""
        lanes = [
            lane
            for lane in self.roster.lanes
            if self.desks.free((lane,), self.limit()) and not self.desks.attended(lane)
        ]
        wanted: dict[str, Sequence[str]] = {
            name: self.roster.all_streams(name)
            for name, handling in self.roster.handlings.items()
            if name not in self.roster.paused and handling.subscription.lane in lanes
        }
        if wanted:
            found = backlogs(self.roster.platform.redis, wanted)
            behind = [name for name, backlog in found.items() if backlog.unread != 0]
            self.consider(self._lanes(behind))

    def _lanes(self, names: Iterable[str]) -> set[str]:
        return {
            self.roster.handlings[name].subscription.lane
            for name in names
            if name in self.roster.handlings
        }
