"""No fork while another thread is inside of SQLite.

SQLite has locks of its own for the whole process. A child that is forked while
a thread of its parent holds one finds it locked for ever, and stands still at
its first query: Celery replaces a killed child from its main thread, while the
worker's other threads read and write (docs/decisions/0029). So a transaction
is passed through this gate, and a fork waits until nobody is inside, for some
seconds at most: a write that waits for another process's lock sleeps, and
holds none of these.
"""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

PATIENCE = 5.0
"""Seconds that a fork waits at most."""


class ForkGate:
    """Many threads may be inside at once; a fork waits for all of them but its own."""

    def __init__(self, patience: float = PATIENCE) -> None:
        self.patience = patience
        self._open()

    def _open(self) -> None:
        self._changed = threading.Condition()
        self._inside: Counter[int] = Counter()
        self._forking = 0

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Nobody forks meanwhile. A thread that is inside already doesn't wait for a fork."""
        me = threading.get_ident()
        process = os.getpid()
        with self._changed:
            if not self._inside[me]:
                self._changed.wait_for(lambda: not self._forking, 2 * self.patience)
            self._inside[me] += 1
        try:
            yield
        finally:
            if process == os.getpid():  # else it came with a fork, and the child's gate is new
                with self._changed:
                    self._inside[me] -= 1
                    self._changed.notify_all()

    def before_fork(self) -> None:
        """Let nobody in, and wait until all are out."""
        with self._changed:
            self._forking += 1
            self._changed.wait_for(self._is_empty, self.patience)

    def _is_empty(self) -> bool:
        me = threading.get_ident()
        return not any(times for thread, times in self._inside.items() if thread != me)

    def after_in_parent(self) -> None:
        with self._changed:
            self._forking -= 1
            self._inside += Counter()  # forget the threads that are out
            self._changed.notify_all()

    def after_in_child(self) -> None:
        self._open()


GATE = ForkGate()
"""The process's gate."""
os.register_at_fork(
    before=lambda: GATE.before_fork(),
    after_in_parent=lambda: GATE.after_in_parent(),
    after_in_child=lambda: GATE.after_in_child(),
)
