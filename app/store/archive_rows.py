"""Arrivals to rows of the archive, and back.

An event is kept as its stored form with the data taken out, and the data by itself. Where the
bytes are at hand that lay in the topic, they are cut and not written anew: that, and working out
once what neighbours share, halves what a row costs. Bytes that our own encoder didn't write
(other white space, another order) are written anew.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from app.events.arrival import Arrival
from app.events.event import Event, plain
from app.store.columns import KEY_LENGTH, clean, from_json, key
from app.store.position import entry_id, sortable

COLUMNS = (
    "id", "source", "type", "subject", "partitionkey", "correlationid", "topic", "partition",
    "position", "time", "archived", "envelope", "data",
)  # fmt: skip

Row = tuple[Any, ...]
_encode = msgspec.json.Encoder(enc_hook=plain).encode


def rows_of(arrivals: Iterable[Arrival], archived: float) -> dict[tuple[str, str], Row]:
    """Each event's row by its id and source: the last where one came twice."""
    keys: dict[str | None, Any] = _Keys({None: None})
    leads: dict[str, bytes] = _Leads()
    rows = {}
    moment = prefix = ""
    for event, topic, partition, position, stored in arrivals:
        id, correlationid, data = event.id, event.correlationid, event.data
        kept = id if len(id) <= KEY_LENGTH and id.isascii() and "\0" not in id else key(id)
        if correlationid is None or correlationid == id:
            correlationid = kept
        else:
            correlationid = keys[correlationid]
        milliseconds, _, number = position.partition("-")
        if milliseconds != moment:  # many come within one
            moment, prefix = milliseconds, sortable(position)[:16]
        if data is None:
            envelope, text = _text(stored or event.to_bytes()), None
        else:
            encoded = _encode(data)
            text = _text(encoded)
            lead = leads[event.type]
            end = len(lead) + len(encoded)
            if (
                stored.startswith(lead)
                and stored.startswith(encoded, len(lead))
                and stored.startswith(b',"id":', end)
            ):
                envelope = _text(lead[:-8] + stored[end:])
            else:
                envelope = _text(event.but(data=None).to_bytes())
        source = keys[event.source]
        rows[kept, source] = (
            kept, source, keys[event.type], keys[event.subject], keys[event.partitionkey],
            correlationid, topic, partition, prefix + number.zfill(12), event.time.timestamp(),
            archived, envelope, text,
        )  # fmt: skip
    return rows


class _Keys(dict[str | None, Any]):
    """Texts as indexed columns hold them, each worked out once."""

    def __missing__(self, text: str | None) -> str:
        found = self[text] = key(text or "")
        return found


class _Leads(dict[str, bytes]):
    """With what the stored form of an event that has data begins, by its type."""

    def __missing__(self, type: str) -> bytes:
        found = self[type] = b'{"type":%b,"data":' % _encode(type)
        return found


def _text(written: bytes) -> str:
    return clean(written.decode())


def event_of(envelope: str, data: str | None) -> Event:
    event = Event.from_bytes(envelope.encode())
    return event if data is None else event.but(data=from_json(data))


def event_dict(envelope: str, data: str | None) -> dict[str, Any]:
    return event_of(envelope, data).to_dict()


def arrival_of(row: Any) -> Arrival:
    _number, _time, partition, position, topic, envelope, data = row
    return Arrival(event_of(envelope, data), topic, partition, entry_id(position))
