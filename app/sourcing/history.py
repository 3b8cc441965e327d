"""How a state came to be: each step's changes, and which event gave each field its value. Pure.

A field is a path into the state's JSON form, such as `versions.3.state`; a list is one value.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from app.sourcing.kind import Kind
from app.store.eventstore.recorded import Recorded


class Change(NamedTuple):
    """`before` is None where the field is new, `after` where it is gone."""

    field: str
    before: Any
    after: Any


class Step(NamedTuple):
    """One event, and the fields that it changed."""

    recorded: Recorded
    changes: list[Change]


class Told(NamedTuple):
    """A state's fields after the last event, and for each the event that it owes its value to."""

    fields: dict[str, Any]
    why: dict[str, Recorded]
    steps: list[Step]


def tell(kind: Kind[Any], id: str, events: Iterable[Recorded], since: int = 1) -> Told:
    """Replay, and note who changed what: from the version `since` on, since that is what takes long."""
    state = kind.start(id)
    fields = kind.dump(state)
    why: dict[str, Recorded] = {}
    steps: list[Step] = []
    for recorded in events:
        state = kind.step(state, recorded.event)
        if recorded.version < since - 1:
            continue
        before, fields = fields, kind.dump(state)
        if recorded.version < since:
            continue
        was, now = (dict(paths(each)) for each in _unlike(before, fields))
        changes = differences(was, now)
        for change in changes:
            why[change.field] = recorded
        for path, value in now.items():
            if (
                value == {}
            ):  # it lost fields, which are told: that it is empty now is because of this, too
                why[path] = recorded
        steps.append(Step(recorded, changes))
    return Told(fields, {path: why[path] for path, _ in paths(fields) if path in why}, steps)


def _unlike(before: dict[str, Any], after: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Both without what is alike: most of a large state, and a step changes little of it."""
    one = {name: value for name, value in before.items() if name not in after}
    other: dict[str, Any] = {}
    for name, value in after.items():
        if name not in before:
            other[name] = value
        elif (was := before[name]) != value:
            both = isinstance(was, dict) and isinstance(value, dict)
            one[name], other[name] = _unlike(was, value) if both else (was, value)
    return one, other


def differences(before: dict[str, Any], after: dict[str, Any]) -> list[Change]:
    """What differs; a mapping that was or gets empty is told by its fields, where it has some."""
    return [
        Change(path, before.get(path), after.get(path))
        for path in {**before, **after}
        if path not in before or path not in after or before[path] != after[path]
        if not _fills(path, before, after) and not _fills(path, after, before)
    ]


def _fills(path: str, empty: dict[str, Any], full: dict[str, Any]) -> bool:
    """Whether the empty mapping at this path is the one that has fields in `full`."""
    return (
        path not in full and empty.get(path) == {} and any(f.startswith(f"{path}.") for f in full)
    )


def paths(value: Any, at: str = "") -> Iterator[tuple[str, Any]]:
    """Each path that leads to a value which is no mapping, or an empty one."""
    if isinstance(value, dict) and (value or not at):
        for name, part in value.items():
            yield from paths(part, f"{at}.{name}" if at else str(name))
    else:
        yield at, value
