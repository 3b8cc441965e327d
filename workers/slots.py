"""Which slots of the pool run a lease, and what each may serve."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from app.subscriptions.slots import BUSY, FREE, Slots

UNHEARD = 5
"""Looks, one a second, at which no process runs a request: then it is lost."""
LONG_LANE, SYSTEM_LANE = "training", "system"


@dataclass
class Desk:
    """One slot: its lanes, the request that runs in it, and how often no process was seen to."""

    number: int
    lanes: tuple[str, ...]
    request: str | None = None
    unheard: int = 0


class Desks:
    """The slots of one worker. Used by one thread at a time, under the dispatcher's lock."""

    def __init__(self, slots: Slots, lanes: tuple[str, ...], concurrency: int):
        self.slots = slots
        self.desks = [
            Desk(number, lanes_of(number, lanes, concurrency)) for number in range(slots.count)
        ]
        self.limit = concurrency

    def running(self) -> list[Desk]:
        return [desk for desk in self.desks if desk.request is not None]

    def free(self, lanes: Iterable[str], limit: int) -> Desk | None:
        """A free slot that serves one of these lanes, if the pool has room for another lease."""
        if len(self.running()) >= limit:
            return None
        wanted = set(lanes)
        for desk in self.desks[: self.limit]:
            if desk.request is None and wanted & set(desk.lanes) and self.vacant(desk):
                return desk
        return None

    def vacant(self, desk: Desk) -> bool:
        """Whether nobody's lease is noted in the slot.

        A child's that died is, until its worker has seen that and given back what it held. A new
        lease that wrote over it would hide the death.
        """
        return self.slots.slot(desk.number).state() == FREE

    def attended(self, lane: str) -> bool:
        """Whether a lease that serves this lane is waiting for work, or has just been started."""
        return any(
            lane in desk.lanes and self.slots.slot(desk.number).state() != BUSY
            for desk in self.running()
        )

    def done(self, request: str) -> Desk | None:
        """The request has ended: its slot is free."""
        for desk in self.desks:
            if desk.request == request:
                desk.request = None
                return desk
        return None

    def sweep(self) -> list[Desk]:
        """Free the slots whose request Celery dropped without telling. To be called once a second."""
        lost = []
        for desk in self.running():
            idle = self.slots.slot(desk.number).state() == FREE
            desk.unheard = desk.unheard + 1 if idle else 0
            if desk.unheard > UNHEARD:
                desk.request = None
                lost.append(desk)
        return lost


def lanes_of(number: int, lanes: tuple[str, ...], concurrency: int) -> tuple[str, ...]:
    """The lanes that a slot serves.

    A worker with several slots keeps its first one out of the training lane, so
    that trainings never keep everything else waiting; and the others out of the
    system lane, whose writers would only wait for each other.
    """
    kept = lanes
    if concurrency > 1 and len(lanes) > 1:
        kept = tuple(lane for lane in lanes if lane != (LONG_LANE if number == 0 else SYSTEM_LANE))
    return kept
