"""How many entries a lease takes at once.

Many where handling is quick, so that a round trip carries them; few where it
is slow, so that nothing waits in one slot while another is free.
"""

from __future__ import annotations

MOST = 500
TARGET = 0.05
"""Seconds of work to hold at a time."""
FIRST = 16


class Prefetch:
    """Counts by subscription, from how long its events have taken lately."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}
        self._last: dict[str, int] = {}

    def knows(self, name: str) -> bool:
        """Whether events of this subscription have been timed here."""
        return name in self._seconds

    def count(self, name: str) -> int:
        """At most twice as many as the last time, so that the first slow event meets few others."""
        seconds = self._seconds.get(name)
        if seconds is None:
            return FIRST
        wanted = int(TARGET / seconds) if seconds > 0 else MOST
        return max(1, min(wanted, MOST, self._last[name] * 2))

    def took(self, name: str, seconds: float, events: int) -> None:
        """`events` were handled in `seconds`."""
        each = seconds / events
        known = self._seconds.get(name)
        # Slowness counts at once, quickness is believed slowly.
        self._seconds[name] = each if known is None or each > known else known * 0.7 + each * 0.3
        self._last[name] = max(events, 1)
