"""Group commit: threads that come at the same time are served by one of them, together.

The first to come leads: it does its own part at once, without waiting for company. Who comes
meanwhile waits, and the first of these leads the next group. It gives those who were just served
a moment to come back, a part of the time that a commit takes: else two halves would take
turns, and the disk be waited for twice as often. Nobody leads twice for one call, and no
thread of ours exists for it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from app.errors import Unavailable

Asked = TypeVar("Asked")
Given = TypeVar("Given")

LARGEST = 256
PATIENCE = 0.005
"""Seconds that a leader waits at most for others; less where a commit is quick."""
_STOPPED = "The thread that wrote for several was stopped in the middle: read, and try again."


class _Waiting(Generic[Asked, Given]):
    def __init__(self, asked: Asked):
        self.asked = asked
        self.outcome: Given | BaseException | None = None
        self.done = False
        self.woken = threading.Lock()
        self.woken.acquire()


class Group(Generic[Asked, Given]):
    """`together(asked)` answers for each what it got, or the error that only concerns it.

    What it raises concerns all of its group.
    """

    def __init__(self, together: Callable[[list[Asked]], Sequence[Given | Exception]]):
        self._together = together
        self._lock = threading.Lock()
        self._queue: list[_Waiting[Asked, Given]] = []
        self._leader: _Waiting[Asked, Given] | None = None
        self._around = 0
        """How many callers there were lately: those last served, and those who waited then."""
        self._took = self._ended = 0.0
        self._awaited: int | None = None
        self._complete = threading.Lock()
        self._complete.acquire()

    def do(self, asked: Asked) -> Given:
        mine: _Waiting[Asked, Given] = _Waiting(asked)
        with self._lock:
            self._queue.append(mine)
            if self._awaited is not None and len(self._queue) >= self._awaited:
                self._awaited = None
                self._complete.release()
            leads = self._leader is None
            if leads:
                self._leader = mine
        try:
            if not leads:
                mine.woken.acquire()
            if not mine.done:
                self._gather()
        except BaseException:
            self._leave(mine)
            raise
        if not mine.done:
            self._lead()
        if isinstance(mine.outcome, BaseException):
            raise mine.outcome
        return mine.outcome  # type: ignore[return-value]

    def _leave(self, mine: _Waiting[Asked, Given]) -> None:
        """Somebody was interrupted as he waited (a time limit, Ctrl-C): nobody may wait for him to lead."""
        with self._lock:
            if mine in self._queue:
                self._queue.remove(mine)
            if self._leader is mine:
                self._hand_on()

    def _hand_on(self) -> None:
        """With the lock held: the first in the queue leads next, if there is anybody."""
        self._leader = self._queue[0] if self._queue else None
        if self._leader:
            self._leader.woken.release()

    def _gather(self) -> None:
        """Wait for those who are likely to come, if that takes less than what it saves."""
        with self._lock:
            lately = time.perf_counter() - self._ended < self._took
            if not lately or len(self._queue) >= min(self._around, LARGEST):
                return
            self._awaited = self._around
        if self._complete.acquire(timeout=min(self._took / 2, PATIENCE)):
            return
        with self._lock:
            if self._awaited is None:  # the last one came just now
                self._complete.acquire()
            self._awaited = None

    def _lead(self) -> None:
        begun = time.perf_counter()
        with self._lock:
            group, self._queue = self._queue[:LARGEST], self._queue[LARGEST:]
        try:
            outcomes = self._together([one.asked for one in group])
            for one, outcome in zip(group, outcomes, strict=True):
                one.outcome = outcome
        except BaseException as error:
            # The first is this thread's own; an interrupt of it is no business of the others.
            group[0].outcome = error
            for one in group[1:]:
                one.outcome = error if isinstance(error, Exception) else Unavailable(_STOPPED)
        for one in group:
            one.done = True
        with self._lock:
            self._ended = time.perf_counter()
            self._took = self._ended - begun
            self._around = len(group) + len(self._queue)
            self._hand_on()
        for one in group:
            one.woken.release()
