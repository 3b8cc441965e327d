"""Group commit: threads that come at the same time are served by one of them, together.

The first to come leads: it does its own part at once, without waiting for company. Who comes
meanwhile waits for the next group. That gives those who were just served a moment to come back, as
long as a commit takes: else two halves would take turns, and the disk be waited for twice as often.
The last of them leads it, or the first where some stay away. Where all came back time after time, it
waits longer for the one that is late, so that they stay together; who does something else between
two appends isn't waited for so.

To wake a thread costs more than what it does here. So who was served wakes the next one of his
group: woken all at once they would fight for the interpreter's lock. Nobody leads twice for one
call, and no thread of ours exists for it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import zip_longest
from typing import Any, Generic, TypeVar

from app.errors import Unavailable

Asked = TypeVar("Asked")
Given = TypeVar("Given")

LARGEST = 256
PATIENCE = 0.005
"""Seconds that a leader waits at most for others; less where a commit is quick."""
MOST_TRUST = 10.0
GROWTH = 1.1
"""Of the trust, each time that all came: two who meet by chance gain little, who append all the time soon all of it."""
_FOR_EVER = -1.0
_STOPPED = "The thread that wrote for several was stopped in the middle: read, and try again."


class _Waiting(Generic[Asked, Given]):
    outcome: Given | BaseException | None = None
    done = False
    gone = False
    next: _Waiting[Asked, Given] | None = None
    """Whom it wakes when it is served."""

    def __init__(self, asked: Asked):
        self.asked = asked
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
        self._group: list[_Waiting[Asked, Given]] = []
        """Those whom the leader is serving."""
        self._around = 0
        """How many callers there were lately: those last served, and those who waited then."""
        self._took = self._ended = 0.0
        self._trust = 1.0
        """How many times as long as a commit takes they are waited for: more, the oftener all came."""
        self._awaited: int | None = None
        """With so many in the queue it need not wait any longer, and who comes last leads it."""

    def do(self, asked: Asked) -> Given:
        mine: _Waiting[Asked, Given] = _Waiting(asked)
        try:
            with self._lock:
                self._queue.append(mine)
                all_came = len(self._queue) == self._awaited
                if all_came:
                    self._trust = min(GROWTH * self._trust, MOST_TRUST)
                if self._leader is None or all_came:
                    self._leader, self._awaited = mine, None
            self._await_turn(mine)
            if not mine.done:
                self._lead(mine)
        except BaseException:
            self._leave(mine)
            raise
        if isinstance(mine.outcome, BaseException):
            raise mine.outcome
        return mine.outcome  # type: ignore[return-value]

    def _await_turn(self, mine: _Waiting[Asked, Given]) -> None:
        """Returns when it was served, or is the one to lead."""
        while not mine.done:
            patience = self._patience() if self._leader is mine else _FOR_EVER
            if not patience:
                return
            if not mine.woken.acquire(timeout=patience):
                with self._lock:  # some stay away; or the last one came just now, and leads
                    if self._leader is mine:
                        self._awaited, self._trust = None, 1.0
                        return
        if mine.next:
            _wake(mine.next)

    def _patience(self) -> float:
        """How long the leader waits for those who are likely to come, if that is less than it saves."""
        with self._lock:
            around, most = min(self._around, LARGEST), self._trust * self._took
            lately = time.perf_counter() - self._ended < most
            if not lately or len(self._queue) >= around:
                return 0.0
            self._awaited = around
            return min(most, PATIENCE)

    def _lead(self, mine: _Waiting[Asked, Given]) -> None:
        begun = time.perf_counter()
        with self._lock:
            self._group, self._queue = self._queue[:LARGEST], self._queue[LARGEST:]
        try:
            outcomes = self._together([one.asked for one in self._group])
            for one, outcome in zip(self._group, outcomes, strict=True):
                one.outcome = outcome
        except Exception as error:
            for one in self._group:
                one.outcome = error
        self._took = time.perf_counter() - begun
        self._hand_on(mine)

    def _leave(self, mine: _Waiting[Asked, Given]) -> None:
        """A thread was interrupted (a time limit, Ctrl-C), wherever it was: nobody may wait for it."""
        with self._lock:
            mine.gone = True
            if mine in self._queue:
                self._queue.remove(mine)
        self._hand_on(mine)
        leader = self._leader  # maybe elected by this thread, which had no time to tell it
        if leader:
            _wake(leader)

    def _hand_on(self, mine: _Waiting[Asked, Given]) -> None:
        """Its group is served, and the first in the queue leads next, if there is anybody."""
        with self._lock:
            if self._leader is mine:
                mine.done = True
                others = [one for one in self._group if not (one is mine or one.gone)]
                for one, after in zip_longest((mine, *others), others):
                    one.next = after
                # From the last on: who sees that it is served may wake the next at once.
                for one in reversed(others):
                    if one.outcome is None:
                        one.outcome = Unavailable(_STOPPED)
                    one.done = True
                self._around = len(self._group) + len(self._queue)
                self._ended = time.perf_counter()
                self._group, self._awaited = [], None
                self._leader = self._queue[0] if self._queue else None
                if self._leader:
                    _wake(self._leader)
        if mine.next:
            _wake(mine.next)


def _wake(one: _Waiting[Any, Any]) -> None:
    with suppress(RuntimeError):  # who is interrupted after this does it again
        one.woken.release()
