"""The event: an immutable CloudEvents 1.0 envelope around data.

Attributes have their names from the specification
(https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md).
Extensions that are not known here are kept in `extensions` and survive a
round trip. There are two written forms: the JSON format of the specification
(`to_dict`, `from_dict`), which people and other systems see, and the stored
form (`to_bytes`, `from_bytes`), which is the same but for extensions, kept in
a mapping of their own so that reading needs one pass.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any

import msgspec
from msgspec.structs import astuple
from pydantic import BaseModel

from app.errors import InvalidEvents
from app.events.ids import uuid7

DEFAULT_SOURCE = "penstock"
PRIVATE = "private"
"""The extension of an event that stays in the event store and is not published."""
_EXTENSION_NAME = re.compile(r"[a-z0-9]{1,64}")


def _now() -> datetime:
    return datetime.now(UTC)


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One immutable fact.

    `data` is any JSON value, or an object of the type's schema. `partitionkey`
    decides the partition and so what it keeps its order with. `correlationid`
    is the id of the root event of the run, `causationid` that of the event
    whose handling emitted this one.
    """

    type: str
    data: Any = None
    id: str = msgspec.field(default_factory=uuid7)
    source: str = DEFAULT_SOURCE
    time: datetime = msgspec.field(default_factory=_now)
    subject: str | None = None
    datacontenttype: str | None = None
    dataschema: str | None = None
    data_base64: str | None = None
    partitionkey: str | None = None
    correlationid: str | None = None
    causationid: str | None = None
    traceparent: str | None = None
    tracestate: str | None = None
    recordedtime: datetime | None = None
    expirytime: datetime | None = None
    replayedfrom: str | None = None
    extensions: dict[str, Any] = {}

    def but(self, **changes: Any) -> Event:
        """A copy with these attributes changed."""
        return msgspec.structs.replace(self, **changes)

    def attribute(self, name: str) -> Any:
        """The value of an attribute or extension by its CloudEvents name, or None."""
        if name in ATTRIBUTES:
            return getattr(self, name)
        return self.extensions.get(name)

    def to_dict(self) -> dict[str, Any]:
        """The CloudEvents JSON format: plain JSON values, extensions at the top level."""
        body = msgspec.to_builtins(self, enc_hook=plain)
        body.update(body.pop("extensions", {}))
        return {"specversion": "1.0", "source": self.source, **body}

    @classmethod
    def from_dict(cls, mapping: Any) -> Event:
        """Read the CloudEvents JSON format.

        `id`, `source` and `time` may be missing: they get their defaults.
        Raises `InvalidEvents` that names every attribute at fault.
        """
        fields, problems = _read(mapping)
        if problems:
            raise InvalidEvents(problems)
        return cls(**fields)

    def to_bytes(self) -> bytes:
        """The stored form."""
        return _encoder.encode(self)

    @staticmethod
    def from_bytes(stored: bytes) -> Event:
        """Read the stored form; raises `msgspec.MsgspecError` where it is none."""
        return read_stored(stored)


def plain(value: Any) -> Any:
    """The JSON value of an object of a schema; for msgspec's `enc_hook`."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    raise TypeError(
        f"an event's data can't hold a {type(value).__name__}: use JSON values or a pydantic model"
    )


_encoder = msgspec.json.Encoder(enc_hook=plain)
read_stored = msgspec.json.Decoder(Event).decode
"""`Event.from_bytes` without a call between: for loops over very many."""
ATTRIBUTES = frozenset(Event.__struct_fields__) - {"extensions"}
_TEXT = ATTRIBUTES - {"data", "time", "recordedtime", "expirytime"}
_NEEDED = ("type", "id", "source")
_TIMES = ("time", "recordedtime", "expirytime")
_GIVEN = (*_NEEDED, *sorted(_TEXT - {*_NEEDED, "data_base64"}))
_FIRST = Event.__struct_fields__.index("time") + 1
_optional = attrgetter(*_GIVEN[len(_NEEDED) :], *_TIMES[1:])
_NO_MORE: tuple[Any, ...] = (*[None] * (len(Event.__struct_fields__) - _FIRST - 1), {})
"""What an event with no attributes but the first has in place of the others."""


def _read(mapping: Any) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The constructor's arguments, and every problem found on the way."""
    problems: list[dict[str, Any]] = []
    if not isinstance(mapping, dict):
        kind = type(mapping).__name__
        found = {"index": 0, "id": None, "type": None, "field": "event"}
        return {}, [{**found, "problem": f"expected a JSON object, got {kind}"}]

    def problem(field: str, text: str) -> None:
        named = {
            key: value if isinstance(value := mapping.get(key), str) else None
            for key in ("id", "type")
        }
        problems.append({"index": 0, **named, "field": field, "problem": text})

    fields: dict[str, Any] = {}
    extensions: dict[str, Any] = {}
    if mapping.get("specversion", "1.0") != "1.0":
        problem("specversion", "expected 1.0")
    if not mapping.get("type"):
        problem("type", "is missing: say what happened, for example dataset.uploaded")
    if mapping.get("data") is not None and mapping.get("data_base64") is not None:
        problem("data", "and data_base64 can't both be there")
    for name, value in mapping.items():
        if name == "specversion" or (value is None and name != "data"):
            continue
        if name == "data":
            fields[name] = value
        elif name in _TIMES:
            moment = _moment(value)
            if moment is None:
                problem(
                    name, f"expected a time of RFC 3339 such as 2026-01-31T12:00:00Z, got {value!r}"
                )
            else:
                fields[name] = moment
        elif name in _TEXT:
            if wrong := _text_problem(value):
                problem(name, wrong)
            else:
                fields[name] = value
        elif not isinstance(name, str) or not _EXTENSION_NAME.fullmatch(name):
            problem(str(name), "an extension's name has only a-z and 0-9")
        elif not isinstance(value, str | bool | int):
            problem(
                name,
                "an extension's value is a text, a whole number or a boolean; put structure into data",
            )
        else:
            extensions[name] = value
    if extensions:
        fields["extensions"] = extensions
    return fields, problems


def attribute_problems(event: Event) -> list[dict[str, str]]:
    """What is wrong with the attributes of an event that was made in Python, by field.

    The constructor checks nothing, and what can't be read again would reach every subscription.
    """
    problems = []
    for name in _GIVEN:
        value = getattr(event, name)
        if (value is not None or name in _NEEDED) and (wrong := _text_problem(value)):
            problems.append({"field": name, "problem": wrong})
    for name in _TIMES:
        moment = getattr(event, name)
        if (moment is None and name != "time") or (
            isinstance(moment, datetime) and moment.tzinfo is not None
        ):
            continue
        text = f"expected a datetime with a timezone, as datetime.now(UTC), got {moment!r}"
        problems.append({"field": name, "problem": text})
    return problems


def is_sound(event: Event) -> bool:
    """Whether no attribute is at fault: True is certain, and nearly always so. It runs for every event."""
    values = astuple(event)
    name, _, id, source, moment = values[:_FIRST]
    if not (name.__class__ is id.__class__ is source.__class__ is str and name and id and source):
        return False
    if moment.__class__ is not datetime or moment.tzinfo is None:
        return False
    if values[_FIRST:] != _NO_MORE and not _is_optional_sound(event):
        return False
    return bool((name + id + source).isprintable())


def _is_optional_sound(event: Event) -> bool:
    *texts, recorded, expiry = _optional(event)
    if recorded is not None or expiry is not None:
        return False  # rare, and looked at one by one
    return all(one is None or (one.__class__ is str and one and one.isprintable()) for one in texts)


def _text_problem(value: Any) -> str | None:
    if not isinstance(value, str) or not value:
        return f"expected a text that is not empty, got {value!r}"
    return None if value.isprintable() else "must not hold control characters"


def _moment(value: Any) -> datetime | None:
    """The UTC datetime of an RFC 3339 text, or None."""
    if isinstance(value, str):
        try:
            moment = msgspec.convert(value, datetime)
        except msgspec.ValidationError:
            return None
        if moment.tzinfo is not None:
            return moment.astimezone(UTC)
    return None
