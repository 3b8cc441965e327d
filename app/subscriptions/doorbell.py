"""Waiting for work without asking every subscription.

One blocking read over all topics tells which streams have something new. The
position of a stream is taken before its subscriptions look, so that nothing
can slip between looking and waiting.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from redis.exceptions import ResponseError

from app.streams import keys
from app.streams.client import Wire


class Doorbell:
    """Positions in streams; belongs to one thread."""

    def __init__(self, wire: Wire):
        self.wire = wire
        self.positions: dict[str, bytes] = {}

    def watch(self, streams: Sequence[str]) -> None:
        """Watch these streams and the bell, from now on where they are new."""
        wanted = [keys.BELL, *streams]
        for gone in self.positions.keys() - set(wanted):
            del self.positions[gone]
        self._advance([stream for stream in wanted if stream not in self.positions])

    def wait(
        self, milliseconds: int | None, except_for: Iterable[str] = ()
    ) -> tuple[set[str], set[str]]:
        """The streams that rang, and the subscriptions that the bell named.

        Waits up to `milliseconds`; None asks without waiting.
        """
        skipped = set(except_for)
        watched = [stream for stream in self.positions if stream not in skipped]
        block = () if milliseconds is None else ("BLOCK", milliseconds)
        reply = self.wire(
            "XREAD",
            "COUNT",
            1,
            *block,
            "STREAMS",
            *watched,
            *(self.positions[stream] for stream in watched),
        )
        rung = {stream.decode() for stream, _ in reply or ()}
        named: set[str] = set()
        if keys.BELL in rung:
            rung.discard(keys.BELL)
            named = self._read_bell()
        self._advance(list(rung))
        return rung, named

    def _read_bell(self) -> set[str]:
        entries = self.wire("XRANGE", keys.BELL, b"(" + self.positions[keys.BELL], "+")
        if entries:
            self.positions[keys.BELL] = entries[-1][0]
        return {fields[1].decode() for _, fields in entries}

    def _advance(self, streams: Sequence[str]) -> None:
        """Go to the end of these streams."""
        if not streams:
            return
        replies = self.wire.many(
            [("XREVRANGE", stream, "+", "-", "COUNT", 1) for stream in streams]
        )
        for stream, reply in zip(streams, replies, strict=True):
            if isinstance(reply, ResponseError):
                raise reply
            self.positions[stream] = reply[0][0] if reply else b"0-0"
