"""What every kind of event-sourced state comes down to: a start, a step, and a written form.

An `Aggregate` class and a `Decider` each give one of these, so that the repository, snapshots
and time travel know of no difference between them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from app.errors import Refused
from app.events.event import Event

State = TypeVar("State")


@dataclass(frozen=True)
class Kind(Generic[State]):
    """`start(id)` is the state before the first event, `step(state, event)` that after one more.

    `dump` gives a state's fields as JSON values, `load(id, version, fields)` reads them back.
    `parts(state)` are its fields as they are, `hints()` their types.
    `fingerprint()` changes with the fields and with the code that `step` runs.
    `code` is where it is written: a module, with the name of the class or function in it.
    """

    category: str
    code: str
    start: Callable[[str], State]
    step: Callable[[State, Event], State]
    dump: Callable[[State], dict[str, Any]]
    load: Callable[[str, int, dict[str, Any]], State]
    parts: Callable[[State], dict[str, Any]]
    hints: Callable[[], dict[str, Any]]
    fingerprint: Callable[[], str]
    snapshot_every: int | None = None

    def stream(self, id: str) -> str:
        return f"{self.category}:{id}"


class Kinds:
    """The kinds that this process knows, by category: what a stream's name begins with."""

    def __init__(self) -> None:
        self._by_category: dict[str, Kind[Any]] = {}
        self._code: dict[str, dict[str, None]] = {}

    def register(self, kind: Kind[Any]) -> None:
        self._code.setdefault(kind.category, {})[kind.code] = None
        self._by_category[kind.category] = kind

    def shared(self) -> list[str]:
        """The categories that more than one class or decider has: their streams would be the same."""
        return [
            f"{' and '.join(code)} have one category, {category}: they share their streams"
            for category, code in sorted(self._code.items())
            if len(code) > 1
        ]

    def of(self, stream: str) -> Kind[Any] | None:
        """The kind that a stream is of, or None where this process doesn't know it."""
        return self._by_category.get(stream.partition(":")[0])

    def all(self) -> list[Kind[Any]]:
        return [self._by_category[name] for name in sorted(self._by_category)]


KINDS = Kinds()
"""Where aggregates register, as their modules are imported."""


def check_category(category: str) -> str:
    if not category or ":" in category or not category.isprintable():
        raise Refused(
            f"{category!r} can't be a category: use a noun without a colon, such as model."
        )
    return category
