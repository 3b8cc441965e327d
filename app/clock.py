"""Where the time comes from, so that a test can hold it in its hand."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Wall time in seconds since 1970, monotonic time in seconds, and sleep."""

    def now(self) -> float: ...
    def monotonic(self) -> float: ...
    def sleep(self, seconds: float) -> None: ...


class SystemClock:
    """The machine's own clock."""

    now = staticmethod(time.time)
    monotonic = staticmethod(time.monotonic)
    sleep = staticmethod(time.sleep)


def instant(seconds: float) -> datetime:
    """The UTC datetime of a number of seconds since 1970."""
    return datetime.fromtimestamp(seconds, UTC)
