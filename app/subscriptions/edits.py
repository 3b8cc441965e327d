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

from app.errors import EventTooLarge, Refused

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
