"""When to try again: a pure decision."""

from __future__ import annotations

import random
from dataclasses import dataclass

from app.errors import Refused


@dataclass(frozen=True)
class RetryPolicy:
    """How often a delivery is tried, and how long it waits in between.

    `attempts` counts the first one. The wait before attempt n + 1 is
    `base * factor ** (n - 1)` seconds, at most `cap`; with `jitter`, a random
    part of it, so that what failed together doesn't come back together
    ("full jitter", https://aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter/).
    """

    attempts: int = 5
    base: float = 1.0
    cap: float = 300.0
    factor: float = 2.0
    jitter: bool = True

    def __post_init__(self) -> None:
        if self.attempts < 1 or self.base < 0 or self.cap < 0 or self.factor < 1:
            raise Refused(
                f"{self}: attempts is at least 1, base and cap at least 0, factor at least 1"
            )

    def wait(self, failed: int, chance: float | None = None) -> float | None:
        """Seconds to wait after the `failed`-th failed attempt (from 1); None when it was the last.

        `chance`, from 0 to 1, stands for the random number.
        """
        if failed >= self.attempts:
            return None
        longest = min(self.cap, self.base * self.factor ** min(failed - 1, 64))
        return longest * (random.random() if chance is None else chance) if self.jitter else longest
