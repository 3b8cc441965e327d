"""A delivery as it lies in a stream: the event, and what is known of its past.

An entry of a topic has one field, the event. One of an `again` stream has
more: why it came back, and what has happened to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from app.streams import keys

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


class Entry(msgspec.Struct, gc=False):
    """One stream entry that a lease holds.

    `generation` is None for an entry of a topic: the subscription's own counts.
    `attempts` are the failed ones so far: `{"at", "error", "traceback"}`.
    `losses` counts deaths of the process that had it in hand, `worker_losses`
    those of the whole worker. `suspect`: it was held when a process died, and
    is handled alone. `head`: the first of its key, whose others wait behind it.
    `origin`: where it entered its topic, once it has come back.
    """

    stream: str
    id: bytes
    raw: bytes
    generation: int | None = None
    attempts: Sequence[dict[str, Any]] = ()
    losses: int = 0
    worker_losses: int = 0
    suspect: bool = False
    replay: str | None = None
    head: bool = False
    origin: str = ""

    @property
    def place(self) -> str:
        """The stream and position where the event entered its topic, `penstock:topic:orders:0 1790000000123-0`."""
        return self.origin or f"{self.stream} {self.id.decode()}"

    def fields(self, **changes: Any) -> list[bytes | str]:
        """The fields of an `again` entry for this delivery, with some values changed."""
        entry = msgspec.structs.replace(self, **changes) if changes else self
        fields: list[bytes | str] = ["e", entry.raw, "g", str(entry.generation or 0)]
        if not keys.is_again(self.stream) or self.origin:
            fields += ["o", self.place]
        if entry.attempts:
            fields += ["a", _encode(entry.attempts)]
        if entry.losses:
            fields += ["l", str(entry.losses)]
        if entry.worker_losses:
            fields += ["w", str(entry.worker_losses)]
        if entry.suspect:
            fields += ["s", "1"]
        if entry.replay:
            fields += ["r", entry.replay]
        if entry.head:
            fields += ["h", "1"]
        return fields


def parse_entry(stream: str, id: bytes, fields: list[bytes] | None) -> Entry | None:
    """The entry of a raw reply; None where it was deleted from the stream."""
    if not fields:
        return None
    if len(fields) == 2:
        return Entry(stream, id, fields[1])
    named = dict(zip(fields[::2], fields[1::2], strict=True))
    return Entry(
        stream,
        id,
        named[b"e"],
        generation=int(named.get(b"g", b"0")),
        attempts=_decode(named[b"a"]) if b"a" in named else (),
        losses=int(named.get(b"l", b"0")),
        worker_losses=int(named.get(b"w", b"0")),
        suspect=b"s" in named,
        replay=named[b"r"].decode() if b"r" in named else None,
        head=b"h" in named,
        origin=named.get(b"o", b"").decode(),
    )
