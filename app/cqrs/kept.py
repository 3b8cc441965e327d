"""What a worker answered, kept in Redis for an hour.

It may hold people's data, so neither the archive nor SQL gets it.
"""

from __future__ import annotations

from typing import Any

import msgspec

from app.errors import NotFound
from app.streams import keys
from app.streams.client import refusals_explained

KEPT = 3600
"""Seconds for which an answer is there."""
LOOKS = (0.01, 0.1)
"""Seconds between two looks for an answer: at first, and at most."""

Told = dict[str, Any]


class Kept:
    """Questions by their ids; each has a `state`: waiting, working, done or refused."""

    def __init__(self, platform: Any):
        self.platform = platform

    def answer(self, id: str) -> Told:
        """The question with what is known of it by now. Raises `NotFound`, also when an hour is over."""
        with refusals_explained():
            kept = self.platform.redis.get(keys.looked(id))
        if kept is None:
            raise NotFound(f"There is no answer {id}. What was is kept for an hour: ask again.")
        told: Told = msgspec.json.decode(kept)
        return told

    def wait(self, id: str, limit: float) -> Told:
        """Its `answer` when it is done or refused, or as it is after so many seconds."""
        clock, (pause, longest) = self.platform.clock, LOOKS
        end = clock.monotonic() + limit
        while (told := self.answer(id))["state"] in ("waiting", "working"):
            if clock.monotonic() >= end:
                break
            clock.sleep(pause)
            pause = min(longest, pause * 1.5)
        return told

    def keep(self, told: Told) -> None:
        with refusals_explained():
            self.platform.redis.set(keys.looked(told["id"]), msgspec.json.encode(told), ex=KEPT)
