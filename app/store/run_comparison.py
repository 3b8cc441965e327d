"""One run beside another of its kind: where they took different ways, and which step took longer. Pure.

Steps are paired by what they are (the type, the subscription, and how many of
the same came before), not by their ids, which no two runs share.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from app.store.moments import seconds

Step = Mapping[str, Any]
Kind = tuple[str, str | None, int]


def compare(run: Mapping[str, Any], other: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A row for each step of either: `type`, `subscription`, and `this` and `other` (None where it
    has no such step), each with `state`, `attempts`, `queued`, `handled` and `error`."""
    mine, theirs = dict(_kinds(run)), dict(_kinds(other))
    order = list(mine) + [kind for kind in theirs if kind not in mine]
    return [
        {
            "type": kind[0],
            "subscription": kind[1],
            "this": _side(mine.get(kind)),
            "other": _side(theirs.get(kind)),
        }
        for kind in order
    ]


def _kinds(run: Mapping[str, Any]) -> Iterator[tuple[Kind, Step]]:
    seen: Counter[tuple[str, str | None]] = Counter()
    for step in run["steps"]:
        name = step["type"], step["subscription"]
        yield (*name, seen[name]), step
        seen[name] += 1


def _side(step: Step | None) -> dict[str, Any] | None:
    if step is None:
        return None
    return {
        "event": step["event"],
        "state": step["state"],
        "attempts": step["attempts"],
        "queued": between(step["published"], step["started"]),
        "handled": between(step["started"], step["ended"]),
        "error": step["error"],
    }


def between(start: Any, end: Any) -> float | None:
    """Seconds from one moment to the other, where both are known."""
    first, last = seconds(start), seconds(end)
    return None if first is None or last is None else max(0.0, last - first)
