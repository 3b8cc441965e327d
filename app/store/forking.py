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

PATIENCE = 5.0
"""Seconds that a fork waits at most."""


class ForkGate:
    """Many threads may be inside at once; a fork waits for all of them but its own."""

    def __init__(self, patience: float = PATIENCE) -> None:
        self.patience = patience
        self._open()

    def _open(self) -> None:
        self._changed = threading.Condition()
        self._inside: dict[int, int] = {}
        """How often each thread is inside: a transaction may be within another."""
        self._forking = 0

    def inside(self) -> _Visit:
        """Nobody forks meanwhile. A thread that is inside already doesn't wait for a fork."""
        return _Visit(self)

    def enter(self, me: int) -> None:
        with self._changed:
            if self._forking and me not in self._inside:
                self._changed.wait_for(lambda: not self._forking, 2 * self.patience)
            self._inside[me] = self._inside.get(me, 0) + 1

    def leave(self, me: int) -> None:
        with self._changed:
            left = self._inside.pop(me, 0) - 1  # none where it came with a fork: the gate is new
            if left > 0:
                self._inside[me] = left
            if self._forking:
                self._changed.notify_all()

    def before_fork(self) -> None:
        """Let nobody in, and wait until all are out."""
        with self._changed:
            self._forking += 1
            self._changed.wait_for(self._is_empty, self.patience)

    def _is_empty(self) -> bool:
        me = threading.get_ident()
        return not self._inside.keys() - {me}

    def after_in_parent(self) -> None:
        with self._changed:
            self._forking -= 1
            self._changed.notify_all()

    def after_in_child(self) -> None:
        self._open()


class _Visit:
    """Of the thread that comes in, whichever lets it out: a generator may be closed by another."""

    __slots__ = ("_gate", "_me")

    def __init__(self, gate: ForkGate):
        self._gate = gate

    def __enter__(self) -> None:
        self._me = threading.get_ident()
        self._gate.enter(self._me)

    def __exit__(self, *_: object) -> None:
        self._gate.leave(self._me)


GATE = ForkGate()
"""The process's gate."""
os.register_at_fork(
    before=lambda: GATE.before_fork(),
    after_in_parent=lambda: GATE.after_in_parent(),
    after_in_child=lambda: GATE.after_in_child(),
)
