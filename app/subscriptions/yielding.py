"""Our own bookkeeping makes room while others want the processors (docs/decisions/0025).

Being nice is not enough: two threads of one core slow each other down whatever their weights, and
the server answers the archive and a handler alike. So between its turns bookkeeping that has a
backlog pauses, for `SHARE` times as long as the turn took, while less than one processor is free.
Guarantees: nobody waits for what isn't there (a drained backlog is never paused for), and it falls
behind by no more than `PATIENCE` through this: who has had a backlog for longer pauses no more
until it is gone.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from app.clock import Clock

SHARE = 3.0
LONGEST = 0.25
"""Seconds of a pause: the slot may be asked for meanwhile."""
PATIENCE = 20.0
"""Seconds for which bookkeeping may be behind because it makes room."""
AT_LEAST = 0.1
"""Seconds between looks at the processors, whose times are told in hundredths of a second."""

Times = tuple[float, float]
"""Of all processors together: the time that was wanted by others, and all of it."""


class Yielding:
    """The pauses of one lease. `times` says what processors have done since the machine started."""

    def __init__(self, clock: Clock, times: Callable[[], Times | None] | None = None):
        self._clock = clock
        self._times = times or processor_times
        self._behind_since: float | None = None
        self._looked = -AT_LEAST
        self._last: Times | None = None
        self._wanted = False
        self._too_much = max(0.25, 1 - 1 / (os.cpu_count() or 1))

    def after_turn(self, seconds: float, backlog: bool) -> None:
        """Pause, where a turn of that many seconds has left a backlog and others want to work."""
        now = self._clock.monotonic()
        if not backlog:
            self._behind_since = self._last = None
            return
        if self._behind_since is None:
            self._behind_since = now
        if now - self._behind_since < PATIENCE and self._others_want(now):
            self._clock.sleep(min(LONGEST, seconds * SHARE))

    def _others_want(self, now: float) -> bool:
        if now - self._looked >= AT_LEAST:
            self._looked = now
            last, self._last = self._last, self._times()
            if last is None or self._last is None or self._last[1] <= last[1]:
                self._wanted = False
            else:
                share = (self._last[0] - last[0]) / (self._last[1] - last[1])
                self._wanted = share > self._too_much
        return self._wanted


def processor_times(file: Path = Path("/proc/stat")) -> Times | None:
    """What the system says; None where it doesn't (elsewhere than on Linux), and nobody pauses.

    Time of processes that are nice, as whoever asks is, counts as free.
    """
    try:
        with file.open() as lines:
            user, nice, system, idle, waiting, *interrupts = map(
                float, lines.readline().split()[1:9]
            )
    except (OSError, ValueError):
        return None
    wanted = user + system + sum(interrupts)
    return wanted, wanted + nice + idle + waiting
