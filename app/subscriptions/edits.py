"""Edits of parked events: a JSON Patch (RFC 6902) on the CloudEvents form of an event.

Applied step by step with a limit on the size, because a patch may copy a value
into itself: forty such operations would make a terabyte of one byte.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jsonpatch
import jsonpointer
import msgspec

from app.errors import EventTooLarge, InvalidEvents, Refused
from app.events.event import Event
from app.events.ids import derived_id
from app.events.topics import RESERVED

MOST_OPERATIONS = 1000


def edited(
    event: dict[str, Any], patch: Sequence[Mapping[str, Any]], largest: int
) -> dict[str, Any]:
    """The event with the patch applied; the event itself is left as it was.

    Raises `Refused` where the patch doesn't fit, `EventTooLarge` where it makes more
    than `largest` bytes on the way.
    """
    if len(patch) > MOST_OPERATIONS:
        raise Refused(f"an edit has at most {MOST_OPERATIONS} operations")
    changed: Any = event
    for operation in patch:
        try:
            changed = jsonpatch.apply_patch(changed, [operation])
        except (jsonpatch.JsonPatchException, jsonpointer.JsonPointerException, TypeError) as error:
            raise Refused(f"the edit doesn't fit {event['id']}: {error}") from error
        if operation.get("op") == "copy" and len(msgspec.json.encode(changed)) > largest:
            raise EventTooLarge(
                f"the edit makes {event['id']} larger than the {largest:,} bytes that are allowed"
            )
    if not isinstance(changed, dict):
        raise Refused(f"the edit leaves no event of {event['id']}: it replaces the whole of it")
    return changed


def child_of(
    platform: Any,
    original: dict[str, Any],
    patch: Sequence[Mapping[str, Any]],
    subscription: str,
    replay: str,
) -> Event:
    """The edited event that a replay sends in the original's place: its child, checked.

    Raises `Refused` where the edit doesn't fit, `InvalidEvents` where the schema says no.
    """
    if original.get("type") in RESERVED:
        raise Refused("a command can't be edited: it would be another one in the same name")
    changed = edited(original, patch, platform.settings.max_event_bytes)
    kept = {name: original.get(name) for name in ("id", "source", "type", "correlationid")}
    if any(changed.get(name) != value for name, value in kept.items()):
        raise Refused(
            "an edit may change the data and the subject, not what the event is: its id, source or type"
        )
    event, problems = platform.catalogue.check(Event.from_dict(changed))
    if event.dataschema != original.get("dataschema") and (
        wrong := platform.catalogue.unreleased(event)
    ):
        problems = problems or [wrong]
    if problems:
        raise InvalidEvents(
            [{"index": 0, "id": event.id, "type": event.type, **one} for one in problems]
        )
    return event.but(
        id=derived_id("edit", replay, event.source, event.id, subscription),
        causationid=event.id,
        replayedfrom=event.id,
    )
