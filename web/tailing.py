"""A tail of events for people: filtered, at a pace that a browser can follow, honest about the rest.

What fits is sent as it comes, up to `BURST` at once and `most` a second; what is above that
is counted, and the count is told. So a slow browser costs the server nothing: its stream is
read on in Redis when it takes the next message, and what it can't be shown is a number.

Every message has as its id how far each topic was read, so whoever comes back with it goes
on exactly there. In silence the id is told by itself, so that it is known from the start.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

from app.events.event import Event
from app.events.expressions import Search
from web.rendering import cloud_event, encode
from web.sse import Message

BURST = 1000
TELL = 0.5
"""Seconds between two messages about what was missed."""
PLACE = 5.0
"""Seconds after which a stream that brings nothing says how far it was read."""


class Wanted:
    """What a tail shows: all conditions must hold. `failed` is where an expression can't say."""

    def __init__(self, subject: str | None, partitionkey: str | None, expression: str | None):
        self.subject, self.partitionkey = subject, partitionkey
        self.search = Search(expression) if expression else None

    def __call__(self, event: Event) -> bool:
        return (
            (self.subject is None or event.subject == self.subject)
            and (self.partitionkey is None or event.partitionkey == self.partitionkey)
            and (self.search is None or self.search(event))
        )

    @property
    def failed(self) -> int:
        return self.search.failed if self.search else 0

    @property
    def problem(self) -> str | None:
        return self.search.problem if self.search else None


class Tail:
    """One stream's messages. `most` is how many events a second (None: all that fit)."""

    def __init__(
        self, wanted: Wanted, most: int | None, monotonic: Callable[[], float] = time.monotonic
    ):
        self._wanted, self._most, self._monotonic = wanted, most, monotonic
        self._allowance, self._at = float(BURST), monotonic()
        self._missed = self._failed = 0
        self._told = self._placed = float("-inf")

    def messages(
        self, followed: Iterator[Event | None], positions: dict[str, bytes]
    ) -> Iterator[Message | None]:
        for event in followed:
            now = self._monotonic()
            shown = event is not None and self._wanted(event)
            if event is not None and shown and self._allowed(now):
                self._placed = now
                yield _message("event", cloud_event(event), positions)
            else:
                self._missed += shown
                place = write_positions(positions) if event is None else ""
                if place and now - self._placed >= PLACE:
                    self._placed = now
                    yield Message(None, id=place)
                else:
                    yield None
            if now - self._told >= TELL:
                yield from self._confessed(now, positions)

    def _allowed(self, now: float) -> bool:
        if self._most is None:
            return True
        refilled = self._allowance + (now - self._at) * self._most
        self._allowance, self._at = min(float(max(BURST, self._most)), refilled), now
        if self._allowance < 1:
            return False
        self._allowance -= 1
        return True

    def _confessed(self, now: float, positions: dict[str, bytes]) -> Iterator[Message]:
        """What was not shown since the last time, and what could not be judged."""
        if self._missed:
            self._told = now
            yield _message("missed", {"missed": self._missed}, positions)
            self._missed = 0
        if self._wanted.failed > self._failed:
            self._told, self._failed = now, self._wanted.failed
            told = {"failed": self._failed, "problem": self._wanted.problem}
            yield _message("failed", told, positions)


def _message(kind: str, data: Any, positions: dict[str, bytes]) -> Message:
    return Message(encode(data).decode(), event=kind, id=write_positions(positions))


def write_positions(positions: dict[str, bytes]) -> str:
    """How far each topic was read, as the id of a message."""
    return ",".join(f"{name}={at.decode()}" for name, at in positions.items() if at != b"0")
