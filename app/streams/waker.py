"""Wakes the relay from a thread of its own, so that no commit waits for Redis.

A wake-up is a hint: many that come at once are one, and one that fails is not tried
again, since the relay looks by itself.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable

import structlog
from redis.exceptions import RedisError

from app.errors import PenstockError

PAUSE = 1.0
"""Seconds of silence after a wake-up that failed."""


class Waker:
    """`announce` sends one; the thread begins at the first wake-up in each process."""

    def __init__(self, announce: Callable[[], None]):
        self._announce = announce
        self._process: int | None = None
        self._asked = self._idle = self._ended = threading.Event()

    def wake(self) -> None:
        """Soon; returns at once."""
        if self._process != os.getpid():
            self._begin()
        self._idle.clear()
        self._asked.set()

    def finish(self, seconds: float = 1.0) -> None:
        """Give what was asked for a moment to go out, and end the thread; a wake-up begins another."""
        if self._process == os.getpid():
            self._idle.wait(seconds)
            self._ended.set()
            self._asked.set()
            self._process = None

    def _begin(self) -> None:
        # Two threads that are first together begin two loops: of no harm.
        self._asked, self._idle, self._ended = (threading.Event() for _ in range(3))
        self._idle.set()
        self._process = os.getpid()
        threading.Thread(target=self._run, name="penstock-waker", daemon=True).start()

    def _run(self) -> None:
        asked, idle, ended = self._asked, self._idle, self._ended
        while asked.wait() and not ended.is_set():
            asked.clear()
            try:
                self._announce()
            except (RedisError, PenstockError, OSError) as error:
                structlog.get_logger(__name__).info("the relay was not woken", error=str(error))
                time.sleep(PAUSE)
            if not asked.is_set():
                idle.set()
