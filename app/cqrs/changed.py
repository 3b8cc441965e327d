"""What a command changed of an aggregate, small enough for its line in the audit log. Pure.

The whole of it is in the aggregate's history; the line says enough to be read by itself.
"""

from __future__ import annotations

from typing import Any

import msgspec

FIELDS = 50
LONGEST = 1000
"""Characters of a value as JSON: a list of thousands must not be kept again with every command."""
Fields = dict[str, Any]


def changed(before: Fields, after: Fields) -> tuple[Fields, Fields]:
    """Of two states, field by field, what differs; at most `FIELDS` fields, long values by their length."""
    differ = [
        path
        for path in {**before, **after}
        if path not in before or path not in after or before[path] != after[path]
    ][:FIELDS]
    return _of(before, differ), _of(after, differ)


def _of(state: Fields, paths: list[str]) -> Fields:
    return {path: brief(state[path]) for path in paths if path in state}


def brief(value: Any) -> Any:
    """The value, or how long it is."""
    length = len(msgspec.json.encode(value))
    return value if length <= LONGEST else f"({length:,} bytes of JSON: see its history)"
