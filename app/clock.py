"""Where the time comes from, so that a test can hold it in its hand."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
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


def duration(value: float | str | timedelta) -> float:
    """Seconds of `90`, `"90s"`, `"15m"`, `"24h"`, `"7d"` or a timedelta. Raises `ValueError`."""
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, str):
        number, unit = value[:-1], value[-1:]
        if unit not in _UNITS or not number.replace(".", "", 1).isdigit():
            raise ValueError(f"{value!r} is no duration: write seconds, or 90s, 15m, 24h, 7d")
        return float(number) * _UNITS[unit]
    return float(value)


_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
