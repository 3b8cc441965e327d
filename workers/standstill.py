"""The watchdog: a worker that lives on and handles nothing is ended, so that another takes its place.

Celery has a history of workers that stay alive after a reconnect and consume
nothing. Whatever the cause may be, what shows it is a backlog that somebody
could take, and nobody who takes it, for a long time.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

import structlog

from app.streams.backlog import Backlog, backlogs
from app.subscriptions.delivery import Handling
from app.subscriptions.roster import Roster
from app.subscriptions.slots import BUSY
from workers.slots import Desks

PATIENCE = 60.0
"""Seconds of standstill after which a worker is ended."""

log = structlog.get_logger(__name__)


class Standstill:
    """Looks every few seconds whether there is work that nobody does; calls `end` when that lasts."""

    def __init__(self, desks: Desks, roster: Roster, end: Callable[[list[str]], None]):
        self.desks = desks
        self.roster = roster
        self.end = end
        self._since: float | None = None
        self._positions: dict[str, int] = {}

    def look(self, now: float) -> None:
        """`now` in monotonic seconds. Raises what a lost server raises, which counts as no standstill."""
        since, self._since = self._since, None
        if any(self.desks.slots.slot(desk.number).state() == BUSY for desk in self.desks.desks):
            return
        found = backlogs(self.roster.platform.redis, self._free_to_take())
        waiting = {name: backlog.oldest for name, backlog in found.items() if _waits(backlog)}
        stuck = [name for name, oldest in waiting.items() if self._positions.get(name) == oldest]
        self._positions = {name: oldest for name, oldest in waiting.items() if oldest is not None}
        if not stuck:
            return
        self._since = now if since is None else since
        if now - self._since >= PATIENCE:
            self.end(stuck)

    def _free_to_take(self) -> dict[str, Sequence[str]]:
        """Subscriptions whose events no limit and no other worker's order keep from this one."""
        return {
            name: self.roster.all_streams(name)
            for name, handling in self.roster.handlings.items()
            if name not in self.roster.paused and not _held_back(handling)
        }


def _held_back(handling: Handling) -> bool:
    limited = handling.rate is not None or handling.concurrency is not None
    return limited or handling.subscription.ordered


def _waits(backlog: Backlog) -> bool:
    return bool(backlog.unread) and backlog.oldest is not None


def end_worker(stuck: list[str]) -> None:
    """End this process at once; its children end with it, and what starts processes starts another."""
    log.critical("nothing is handled though there is work: ending this worker", waiting=stuck)
    os._exit(70)  # EX_SOFTWARE; an ordinary exit would wait for what does not move
