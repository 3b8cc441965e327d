"""Group commit: threads that come at the same time are served by one of them, together.

The first to come leads: it does its own part at once, without waiting for company. Who comes
meanwhile waits, and the first of these leads the next group. Nobody leads twice for one call,
and no thread of ours exists for it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from app.errors import Unavailable

Asked = TypeVar("Asked")
Given = TypeVar("Given")

LARGEST = 256
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

    def __init__(self, together: Callable[[list[Asked]], list[Given | Exception]]):
        self._together = together
        self._lock = threading.Lock()
        self._queue: list[_Waiting[Asked, Given]] = []
        self._led = False

    def do(self, asked: Asked) -> Given:
        mine: _Waiting[Asked, Given] = _Waiting(asked)
        with self._lock:
            self._queue.append(mine)
            leads = not self._led
            self._led = True
        if not leads:
            mine.woken.acquire()
        if not mine.done:
            self._lead()
        if isinstance(mine.outcome, BaseException):
            raise mine.outcome
        return mine.outcome  # type: ignore[return-value]

    def _lead(self) -> None:
        with self._lock:
            group, self._queue = self._queue[:LARGEST], self._queue[LARGEST:]
        try:
            outcomes: list[Given | Exception] = self._together([one.asked for one in group])
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
            following = self._queue[0] if self._queue else None
            self._led = following is not None
        for one in group:
            one.woken.release()
        if following:
            following.woken.release()
