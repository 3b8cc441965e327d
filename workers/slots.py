"""Which slots of the pool run a lease, and what each may serve."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from app.subscriptions.slots import BUSY, FREE, Slots

UNHEARD = 5.0
"""Seconds after which a request that Celery doesn't know, and that no process runs, is lost."""
LONG_LANE, SYSTEM_LANE = "training", "system"


@dataclass
class Desk:
    """One slot: its lanes, the request that runs in it, and since when."""

    number: int
    lanes: tuple[str, ...]
    request: str | None = None
    since: float = 0.0


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
            if (
                desk.request is None
                and wanted & set(desk.lanes)
                and self.slots.slot(desk.number).state() == FREE
            ):
                return desk
        return None

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

    def sweep(self, is_known: Callable[[str], bool], now: float) -> list[Desk]:
        """Free the slots whose request Celery dropped without telling."""
        lost = [
            desk
            for desk in self.running()
            if now - desk.since > UNHEARD
            and self.slots.slot(desk.number).state() == FREE
            and not is_known(desk.request or "")
        ]
        for desk in lost:
            desk.request = None
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
