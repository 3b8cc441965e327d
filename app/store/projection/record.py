"""A lease's record as the projector reads it (its shape is in docs/architecture.md)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.events.event import Event
from app.store.columns import clean, key, key_or_none
from app.store.moments import seconds

SETTLED_STATES = frozenset({"succeeded", "parked", "cancelled"})
UNREADABLE = "unreadable"
AT_ONCE = 3000
"""Deliveries in a transaction, about."""


@dataclass(frozen=True)
class Settled:
    """One delivery in a record, in the form of the tables."""

    event_id: str
    event_source: str
    subscription: str
    type: str
    subject: str | None
    correlationid: str
    causationid: str | None
    time: float
    published: float
    generation: int
    attempt: int
    state: str
    started: float
    ended: float
    due: float | None
    error: str | None
    traceback: str | None
    worker: str
    replay: str | None
    emitted: tuple[str, ...]
    letter: Mapping[str, Any] | None

    @property
    def identity(self) -> tuple[str, str, str]:
        return self.event_id, self.event_source, self.subscription

    @property
    def settled(self) -> bool:
        return self.state in SETTLED_STATES

    @property
    def rank(self) -> tuple[int, bool, int]:
        """Of two states of one delivery, the one with the higher rank counts."""
        return self.generation, self.settled, self.attempt


@dataclass(frozen=True)
class Record:
    id: str
    subscription: str
    worker: str
    at: float
    packed: bool
    counts: Mapping[str, int]
    waited: Mapping[str, Any]
    worked: Mapping[str, Any]
    deliveries: tuple[Settled, ...]

    @classmethod
    def read(cls, given: Mapping[str, Any] | Event) -> Record:
        data = given.data if isinstance(given, Event) else given
        id = given.id if isinstance(given, Event) else _digest(data)
        subscription, worker = key(data["subscription"]), key(str(data.get("worker") or ""))
        return cls(
            id=key(id),
            subscription=subscription,
            worker=worker,
            at=data["at"],
            packed=data.get("tracking") == "packed",
            counts=data["counts"],
            waited=data.get("waited") or {},
            worked=data.get("worked") or {},
            deliveries=tuple(
                _settled(told, subscription, worker) for told in data.get("deliveries", ())
            ),
        )


def portions(records: Sequence[Record]) -> Iterator[list[Record]]:
    """As many as one transaction takes."""
    portion: list[Record] = []
    deliveries = 0
    for record in records:
        portion.append(record)
        deliveries += len(record.deliveries) + 1
        if deliveries >= AT_ONCE:
            yield portion
            portion, deliveries = [], 0
    if portion:
        yield portion


def _settled(told: Mapping[str, Any], subscription: str, worker: str) -> Settled:
    event = told["event"]
    started = told["started"]
    published = told.get("published") or started
    time = seconds(event.get("time"))
    return Settled(
        event_id=key(event["id"]),
        event_source=key(event["source"]),
        subscription=subscription,
        type=key(event["type"]),
        subject=key_or_none(event.get("subject")),
        correlationid=key(event.get("correlationid") or event["id"]),
        causationid=key_or_none(event.get("causationid")),
        time=published if time is None else time,
        published=published,
        generation=told.get("generation", 0),
        attempt=told.get("attempt", 1),
        state=told["state"],
        started=started,
        ended=told.get("ended") or started,
        due=told.get("due"),
        error=_text(told.get("error")),
        traceback=_text(told.get("traceback")),
        worker=worker,
        replay=told.get("replay"),
        emitted=tuple(map(key, told.get("emitted") or ())),
        letter=told.get("letter"),
    )


def _text(text: str | None) -> str | None:
    return None if text is None else clean(text)


def _digest(data: Any) -> str:
    """What stands for a record's id where only its data is given: equal data is the same record."""
    encoded = json.dumps(data, sort_keys=True, default=str).encode()
    return hashlib.blake2b(encoded, digest_size=16).hexdigest()
