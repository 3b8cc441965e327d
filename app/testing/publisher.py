"""The publisher in memory: the same checks, stamps and window."""

from __future__ import annotations

from collections.abc import Sequence

from app.streams.publisher import Prepared, Preparer, Publisher, seen_digest
from app.testing.streams import MemoryStreams


class MemoryPublisher(Publisher):
    """Publishes to streams in memory; `publish` is the real one."""

    def __init__(self, streams: MemoryStreams, preparer: Preparer, window: int):
        self.streams = streams
        self.preparer = preparer
        self.window = window
        self._reached = 0

    def reached(self) -> int | None:
        """Memory forgets nothing."""
        return self._reached

    def note_reached(self, position: int) -> None:
        self._reached = position

    def _check_durable(self) -> None:
        """Memory promises nothing, so there is nothing to wait for."""

    _sync = _check_durable

    def _write(self, prepared: Sequence[Prepared], due: int) -> list[bool]:
        return [self._write_one(one, due) for one in prepared]

    def _write_one(self, one: Prepared, due: int) -> bool:
        digest, now = seen_digest(one.event.source, one.event.id), self.streams.clock.monotonic()
        if self.streams.seen.get(digest, now) > now:
            return False
        self.streams.seen[digest] = now + self.window
        if due:
            self.streams.delay(due, f"event:{digest.hex()}", one.stream, ("e", one.stored))
        else:
            self.streams.add(one.stream, ("e", one.stored))
        return True
