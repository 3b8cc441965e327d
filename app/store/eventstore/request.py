"""One append as both databases take it: a stream, what it must be at, and rows ready to write."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import msgspec

from app.errors import EventTooLarge, Refused
from app.events.event import Event
from app.store.columns import KEY_LENGTH, key, key_or_none

SUBJECT_KEY = "subjectkey"
"""The extension that names the key which personal data in an event is enciphered with."""


Row = tuple[str, str, str | None]
"""An event's type, the event in its stored form, and its `subjectkey`."""


class Request(NamedTuple):
    stream: str
    expected: int | None
    at: float
    actor: str | None
    rows: list[Row]

    @property
    def newest(self) -> str:
        """The type of its last event."""
        return self.rows[-1][0]


def row(event: Event, largest: int) -> Row:
    """Raises `EventTooLarge` for what its topic would refuse, and whatever data raises that is no JSON."""
    stored = event.to_bytes()
    near = 2 * len(stored) + 512 > largest  # else it can't be too long, whatever it is stamped with
    if near and (length := len(stored) + _stamps(event)) > largest:
        raise EventTooLarge(
            f"{event.type} {event.id} has {length:,} bytes, more than {largest:,}: put the data in "
            "the blob store and send its reference. Nothing was appended."
        )
    named = event.extensions.get(SUBJECT_KEY)
    return event.type, stored.decode(), None if named is None else key(str(named))


def _stamps(event: Event) -> int:
    """The bytes that it gets when it is published: a time, a correlation, and its schema's name."""
    root = 0 if event.correlationid else len(msgspec.json.encode(event.id)) + 24
    return root + (64 if event.dataschema else len(event.type) + 128)


def check_actor(actor: Any) -> str | None:
    """Who appends, as both databases can hold it. Raises `Refused` for what is no text."""
    if actor is not None and not isinstance(actor, str):
        raise Refused(f"actor is {actor!r}: give a text, such as user:ada, or None.")
    return key_or_none(actor)


def check_stream(stream: str) -> str:
    """The name, if it can be one. Raises `Refused`."""
    if not isinstance(stream, str) or not stream or not stream.isprintable():
        raise Refused(f"{stream!r} can't name a stream: use printable text, such as model:churn.")
    if len(stream) > KEY_LENGTH:
        raise Refused(
            f"A stream's name has at most {KEY_LENGTH} characters: {stream[:40]}… is longer."
        )
    return stream


def check_place(after: Any, limit: Any) -> None:
    """Raises `Refused` for what SQLite would compare with every position, and answer nothing."""
    if not _is_whole(after) or not _is_whole(limit) or limit < 1:
        raise Refused(
            f"read_all(after={after!r}, limit={limit!r}): both are whole numbers, `after` a position that"
            " was read and `limit` from 1 on."
        )


def checked_events(events: Any) -> list[Event]:
    """The events themselves. Raises `Refused` where there are none, or where something else is among them."""
    given = events
    if not isinstance(events, list | tuple):
        several = isinstance(events, Iterable) and not isinstance(events, str | bytes | Mapping)
        given = list(events) if several else [] if events is None else [events]
    if not given:
        raise Refused("There is nothing to append: give at least one event.")
    for one in given:
        if not isinstance(one, Event):
            raise Refused(
                f"{type(one).__name__!r} is no event: append Event(type=…, data=…). Nothing was appended."
            )
    return list(given)


def check_versions(**versions: Any) -> None:
    """Raises `Refused` for a version to read from or to that is none: `from_version=2`, or None."""
    for name, version in versions.items():
        whole = isinstance(version, int) and not isinstance(version, bool)
        if version is not None and not whole:
            raise Refused(f"{name} is {version!r}: give a whole number, from 1 on, or None.")


def _is_whole(number: Any) -> bool:
    return isinstance(number, int) and not isinstance(number, bool) and abs(number) < 2**63


def check_expected(expected: int | None) -> int | None:
    if expected is not None and (not _is_whole(expected) or expected < 0):
        raise Refused(
            f"expected_version is {expected!r}: give the version you read, 0 for a stream "
            "that must not exist yet, or None for any."
        )
    return expected
