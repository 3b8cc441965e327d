"""Two JSON values side by side: what differs, path by path.

Paths are JSON Pointers (RFC 6901) that begin at the event, as a patch names them: `/data/amount`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

MOST = 200
_ABSENT = object()


class Row(NamedTuple):
    """One path. `kind` is same, changed, gone (only in the first) or new (only in the second)."""

    path: str
    kind: str
    first: Any
    second: Any


def compare(first: Any, second: Any) -> list[Row]:
    """The data of two events: what differs first, then what is the same; at most 200 rows."""
    one, other = dict(_leaves(first, "/data")), dict(_leaves(second, "/data"))
    rows = [_row(path, one.get(path, _ABSENT), other.get(path, _ABSENT))
            for path in dict.fromkeys([*one, *other])]  # fmt: skip
    return sorted(rows, key=lambda row: row.kind == "same")[:MOST]


def changes(before: Any, after: Any) -> list[Row]:
    """What differs between the two mappings of an audit line; nothing where one of them is none."""
    if not (isinstance(before, dict) and isinstance(after, dict)):
        return []
    one, other = dict(_leaves(before, "")), dict(_leaves(after, ""))
    rows = [_row(path[1:], one.get(path, _ABSENT), other.get(path, _ABSENT))
            for path in dict.fromkeys([*one, *other]) if path]  # fmt: skip
    return [row for row in rows if row.kind != "same"]


def _row(path: str, first: Any, second: Any) -> Row:
    if second is _ABSENT:
        return Row(path, "gone", first, None)
    if first is _ABSENT:
        return Row(path, "new", None, second)
    # 1 and true are equal in Python and not in JSON.
    same = type(first) is type(second) and first == second
    return Row(path, "same" if same else "changed", first, second)


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Every value that holds no other, with its path."""
    if isinstance(value, dict) and value:
        for name, inner in value.items():
            yield from _leaves(inner, f"{path}/{_escaped(str(name))}")
    elif isinstance(value, list) and value:
        for number, inner in enumerate(value):
            yield from _leaves(inner, f"{path}/{number}")
    else:
        yield path, value


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
