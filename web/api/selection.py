"""Which dead letters or events an operator means, and how to send them again.

Exactly one of `dead_letters`, `group`, `filter` or `events` selects. The rest
of the body are a replay's options; times in it are made RFC 3339 in UTC here,
because a replay keeps what was selected.
"""

from __future__ import annotations

from typing import Any

from app.errors import Refused
from web.api.parameters import parse_time
from web.api.shapes import EVENT_FILTER, LETTER_FILTER, TEXT, Schema, closed, many

WAYS = ("dead_letters", "group", "filter", "events")

PATCH_OPERATION: Schema = {
    "type": "object",
    "required": ["op", "path"],
    "properties": {
        "op": {"enum": ["add", "remove", "replace", "move", "copy", "test"]},
        "path": TEXT,
        "from": TEXT,
        "value": {},
    },
}

SELECTION: Schema = closed(
    {},
    dead_letters={**many(TEXT), "minItems": 1, "maxItems": 10_000},
    group=TEXT,
    filter=LETTER_FILTER,
    events=EVENT_FILTER,
    subscription=TEXT,
)

REPLAY: Schema = closed(
    {},
    **SELECTION["properties"],
    canary={"type": "integer", "minimum": 0},
    rate={"type": "number", "exclusiveMinimum": 0},
    stop_above={"type": "number", "minimum": 0, "maximum": 1},
    prepared_edits={"type": "boolean"},
    edits={"type": "object", "additionalProperties": many(PATCH_OPERATION)},
    reason={"type": "string", "maxLength": 2000},
)


ONE_WAY: Schema = {"oneOf": [{"required": [way]} for way in WAYS]}
"""What the document adds: exactly one of the ways to select."""


def read_selection(body: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The selection and the options of a body that fits REPLAY. Raises Refused."""
    ways = [way for way in WAYS if way in body]
    if len(ways) != 1:
        raise Refused(
            f"Select by exactly one of {', '.join(WAYS)}; this has {' and '.join(ways) or 'none'}."
        )
    way = ways[0]
    selection = {way: _with_times(body[way]) if way in ("filter", "events") else body[way]}
    options = {name: value for name, value in body.items() if name not in WAYS}
    if way == "events":
        if "subscription" not in options:
            raise Refused("Past events go to one subscription: name it in `subscription`.")
        selection["subscription"] = options.pop("subscription")
    return selection, options


def _with_times(filters: dict[str, Any]) -> dict[str, Any]:
    times: dict[str, Any] = {
        name: parse_time(name, str(filters[name])).isoformat().replace("+00:00", "Z")
        for name in ("since", "until")
        if name in filters
    }
    return {**filters, **times}
