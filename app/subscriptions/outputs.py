"""From what a handler returns to the events that are published.

Every output carries its cause, correlation and trace, and an id derived from
(cause, subscription, generation, index): a second execution of the same
delivery makes the same events.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from app.errors import PenstockError
from app.events.catalogue import Catalogue
from app.events.event import DEFAULT_SOURCE, Event
from app.events.ids import emitted_id
from app.events.topics import COMMAND_GIVEN


class InvalidOutput(PenstockError):
    """A handler returned or emitted what it must not; the message says what to change."""


def outputs_of(
    returned: Any,
    emitted: Sequence[Event],
    cause: Event,
    subscription: str,
    generation: int,
    declared: Sequence[str],
    catalogue: Catalogue,
    now: datetime,
    about: str | None = None,
) -> list[Event]:
    """The events of one delivery, in order: what was emitted, then what was returned.

    `now` is the time of those that bring none of their own, `about` their subject.
    Raises `InvalidOutput` where one is of no type, or of one that `emits` doesn't declare.
    """
    values = [
        *emitted,
        *(
            returned
            if isinstance(returned, list | tuple)
            else ()
            if returned is None
            else (returned,)
        ),
    ]
    made = [event_of(value, declared, catalogue, now, COMMAND_GIVEN) for value in values]
    if about is not None:
        made = [event if event.subject else event.but(subject=about) for event in made]
    return [
        _caused(event, cause, subscription, generation, index) for index, event in enumerate(made)
    ]


def event_of(
    value: Any,
    declared: Sequence[str],
    catalogue: Catalogue,
    now: datetime,
    also: str | None = None,
) -> Event:
    """What an author's function gave, as an event of a type that it declared, or of `also`.

    Raises `InvalidOutput`.
    """
    if isinstance(value, Event):
        event = value
    elif known := catalogue.types.of_object(value):
        event = Event(type=known.name, data=value, dataschema=known.urn, time=now)
    elif isinstance(value, dict):
        if len(declared) != 1:
            raise InvalidOutput(
                f"a returned dict takes the only type in emits, and there are {len(declared)}: "
                "return an Event(type=…, data=…) or an object of the type's schema"
            )
        event = Event(type=declared[0], data=value, time=now)
    else:
        raise InvalidOutput(
            f"a handler returned a {type(value).__name__}: return an Event, an object of a registered"
            " event type, a dict, a list of these, or nothing"
        )
    if event.type not in declared and event.type != also:
        raise InvalidOutput(
            f"{event.type} is not declared: add it to its emits=[…] (declared: {list(declared)})"
        )
    return event


def _caused(event: Event, cause: Event, subscription: str, generation: int, index: int) -> Event:
    id = emitted_id(cause.source, cause.id, subscription, generation, index)
    return event.but(
        id=id,
        source=event.source if event.source != DEFAULT_SOURCE else f"/subscriptions/{subscription}",
        partitionkey=event.partitionkey if event.partitionkey is not None else cause.partitionkey,
        correlationid=cause.correlationid or cause.id,
        causationid=cause.id,
        traceparent=_child_span(cause.traceparent, id),
        tracestate=cause.tracestate,
    )


def _child_span(traceparent: str | None, id: str) -> str | None:
    """The same trace, with a span of the event's own (https://www.w3.org/TR/trace-context/)."""
    parts = (traceparent or "").split("-")
    if len(parts) != 4:
        return None
    span = hashlib.blake2b(id.encode(), digest_size=8).hexdigest()
    return f"{parts[0]}-{parts[1]}-{span}-{parts[3]}"
