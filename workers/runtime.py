"""What a worker's parent and its children share, and what each child makes for itself."""

from __future__ import annotations

import ctypes
import itertools
import os
import signal
import sys
import threading
import time
from contextlib import suppress
from typing import Any

from app import bootstrap, collector
from app.bootstrap import Platform
from app.subscriptions.doorbell import Doorbell
from app.subscriptions.identity import consumer_name
from app.subscriptions.lease import Lease
from app.subscriptions.roster import Roster
from app.subscriptions.slots import Slots

_PR_SET_PDEATHSIG = 1
YIELD = 10
"""How nice the children are that do nothing but our own bookkeeping (docs/decisions/0025)."""
TOLD_WITHIN = 5.0
"""Seconds for a parent to say that it closes, after the platform has told its whole group to end."""


class Runtime:
    """Made in the parent before the pool forks; leases find it through `current`."""

    def __init__(self, platform: Platform, worker: str, slots: Slots, yields: bool = False):
        self.platform = platform
        self.yields = yields
        self.worker = worker
        self.slots = slots
        self.parent = os.getpid()
        self._threads = threading.local()
        self._numbers = itertools.count()

    def run_lease(self, slot: int, lanes: tuple[str, ...], seconds: float, ticket: int) -> int:
        """Run a lease in this thread; how many entries were handled.

        One that Celery runs so late that its slot was given to another one does nothing.
        """
        if self.slots.slot(slot).ticket != ticket:
            return 0
        return self._lease(lanes).run(self.slots.slot(slot), seconds)

    def _lease(self, lanes: tuple[str, ...]) -> Lease:
        """This thread's lease for these lanes; its connections live as long as the thread."""
        leases: dict[tuple[str, ...], Lease] = self._threads.__dict__.setdefault("leases", {})
        lease = leases.get(lanes)
        if lease is None:
            lease = leases[lanes] = Lease(
                Roster(self.platform, lanes),
                self.platform.broker(),
                Doorbell(self.platform.wire()),
                consumer_name(self.worker, next(self._numbers)),
                self.worker,
                self.yields,
            )
        return lease

    def after_fork(self) -> None:
        """In a new child: own connections, and an end together with the parent."""
        collector.tune()
        if self.yields:
            os.nice(YIELD)
        self.platform.after_fork()
        bootstrap.use(self.platform)
        self._threads = threading.local()
        _end_with_parent(self.parent)
        signal.signal(signal.SIGTERM, self._on_sigterm)

    def _on_sigterm(self, *_: Any) -> None:
        """A platform signals whole groups of processes: the parent's shutdown is no reason to die here.

        What is meant for this child alone (`revoke --terminate`) comes while the worker is not closing.
        On a busy machine the parent may take a while to say that it is.
        """
        end = time.monotonic() + TOLD_WITHIN
        while time.monotonic() < end:
            if self.slots.closing:
                return
            time.sleep(0.05)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTERM)


current: Runtime | None = None


def _end_with_parent(parent: int) -> None:
    """A child whose worker was killed ends too (Linux); elsewhere its lease notices by itself."""
    if sys.platform.startswith("linux"):
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)
