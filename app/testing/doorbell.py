"""The doorbell in memory: which streams have something new since the last look."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from app.streams import keys
from app.subscriptions.doorbell import Doorbell
from app.testing.streams import MemoryStreams, position, text


class MemoryDoorbell(Doorbell):
    """Nobody else is at work here while it is asked, so nothing is ever waited for."""

    def __init__(self, streams: MemoryStreams):
        self.streams = streams
        self.positions = {}

    def wait(
        self, milliseconds: int | None, except_for: Iterable[str] = ()
    ) -> tuple[set[str], set[str]]:
        rung = {
            stream
            for stream in self.positions.keys() - set(except_for)
            if self.streams.end(stream) > position(self.positions[stream])
        }
        named: set[str] = set()
        if keys.BELL in rung:
            rings = self.streams.after(keys.BELL, position(self.positions[keys.BELL]))
            named = {fields[1].decode() for _, fields in rings}
        self._advance(list(rung))
        return rung - {keys.BELL}, named

    def _advance(self, streams: Sequence[str]) -> None:
        for stream in streams:
            self.positions[stream] = text(self.streams.end(stream))
