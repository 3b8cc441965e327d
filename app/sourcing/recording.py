"""What is about to be appended, as a replay will see it: data of its type's class, or plain JSON values.

The state after an append is worked out from these. From anything else (a tuple, a `Decimal`, a
dict where the type has a class) it could be another one than the next load's, and a snapshot would keep it.
"""

from __future__ import annotations

from typing import Any

import msgspec
from pydantic import ValidationError

from app.errors import InvalidEvents, Refused
from app.events.event import Event, plain
from app.events.schema import TYPES, field_problems


def as_replayed(event: Event) -> Event:
    """Raises `InvalidEvents` where the data doesn't fit the type."""
    if TYPES.current(event.type) is None:
        return event.but(data=msgspec.json.decode(msgspec.json.encode(event.data, enc_hook=plain)))
    try:
        return event.but(data=TYPES.read(event.type, event.dataschema, event.data))
    except ValidationError as error:
        named = {"index": 0, "id": event.id, "type": event.type}
        model = TYPES.newest[event.type].model
        found = field_problems(error, model)
        raise InvalidEvents([named | problem for problem in found], "appended") from error


def decided_events(category: str, decided: Any) -> list[Event]:
    """What a decider's `decide` gave. Raises `Refused` for what is no list of events."""
    events = list(decided) if isinstance(decided, list | tuple) else [decided]
    if not isinstance(decided, list | tuple) or not all(isinstance(one, Event) for one in events):
        raise Refused(
            f"decide of {category} gave {type(decided).__name__!r}: return a list of events, as in "
            "[Event(type=…, data=…)], and an empty one where nothing happens. Nothing was appended."
        )
    return events
