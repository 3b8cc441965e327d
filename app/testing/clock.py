"""A clock that stands still until it is moved."""

from __future__ import annotations

NEW_YEAR_2026 = 1_767_225_600.0


class FakeClock:
    """Wall time and monotonic time in seconds; `sleep` moves both, and returns at once."""

    def __init__(self, start: float = NEW_YEAR_2026):
        self._start = start
        self._passed = 0.0

    def now(self) -> float:
        return self._start + self._passed

    def monotonic(self) -> float:
        return self._passed

    def sleep(self, seconds: float) -> None:
        if seconds < 0:
            raise ValueError(f"time does not go back: {seconds} s")
        self._passed += seconds

    advance = sleep
