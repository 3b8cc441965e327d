"""Who wants which event, as SQL knows it: subscriptions and the types' tracking."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import NamedTuple

from app.errors import Refused
from app.events.event import Event
from app.events.expressions import FilterFailed
from app.events.filters import compile_filter
from app.store.bulk import Bulk
from app.store.columns import from_json

SYSTEM_LANE = "system"
EVERYTHING = "*"


class Consumer(NamedTuple):
    """A subscription that is counted. `since`: events published before do not reach it."""

    name: str
    wants: Callable[[Event], bool] | None
    since: float | None


class Known:
    """A cache of what was read; `refresh` looks whether anything changed."""

    def __init__(self) -> None:
        self._subscriptions: tuple[object, ...] | None = None
        self._schemas: tuple[object, ...] | None = None
        self._by_type: dict[str, list[Consumer]] = {}
        self.packed: frozenset[str] = frozenset()

    def refresh(self, bulk: Bulk) -> None:
        state = bulk.rows("SELECT COUNT(*), SUM(revision), MAX(changed) FROM subscriptions")[0]
        if tuple(state) != self._subscriptions:
            self._by_type = _read(bulk)
            self._subscriptions = tuple(state)
        state = bulk.rows("SELECT COUNT(*), MAX(saved) FROM schemas")[0]
        if tuple(state) != self._schemas:
            self.packed = _packed(bulk)
            self._schemas = tuple(state)

    def consumers_of(self, event: Event, published: float) -> Iterator[str]:
        """The names of the subscriptions that this event reaches."""
        for name, wants, since in self._by_type.get(event.type, ()):
            if (since is None or published >= since) and (wants is None or wants(event)):
                yield name


def _read(bulk: Bulk) -> dict[str, list[Consumer]]:
    by_type: dict[str, list[Consumer]] = defaultdict(list)
    rows = bulk.rows("SELECT name, code, overrides, created FROM subscriptions WHERE active")
    for name, code, overrides, created in rows:
        now = {**from_json(code), **from_json(overrides)}
        types = now.get("types") or ()
        if now.get("lane") == SYSTEM_LANE or EVERYTHING in types:
            continue
        since = created if now.get("start") == "now" else None
        for type in types:
            by_type[type].append(Consumer(name, _predicate(now.get("filter")), since))
    return by_type


def _predicate(filter: object) -> Callable[[Event], bool] | None:
    try:
        wants = compile_filter(filter)  # type: ignore[arg-type]
    except Refused:
        # Written by a newer version; the worker that understands it says what it does.
        return lambda event: False
    if wants is None:
        return None

    def expected(event: Event) -> bool:
        try:
            return wants(event)
        except FilterFailed:  # the worker parks it, which is a step of its run
            return True

    return expected


def _packed(bulk: Bulk) -> frozenset[str]:
    """The types whose newest version is packed."""
    newest = dict(bulk.rows("SELECT type, tracking FROM schemas ORDER BY version"))
    return frozenset(type for type, tracking in newest.items() if tracking == "packed")
