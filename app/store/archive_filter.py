"""What to look for in the archive, and the SQL of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from app.errors import Refused
from app.store.bulk import Bulk
from app.store.columns import key
from app.store.like import pattern
from app.store.moments import seconds
from app.store.position import sortable

EQUAL = ("type", "subject", "partitionkey", "correlationid", "topic", "partition", "source", "id")
SEARCHED = ("type", "id", "subject", "partitionkey")


@dataclass(frozen=True)
class EventFilter:
    """Conditions that all must hold; of `types` and `ids` one each. `prefix` begins a type.

    `kept_until` leaves out what came into the archive later than that, whatever its time.
    """

    equal: dict[str, Any] = field(default_factory=dict)
    types: Sequence[str] | None = None
    ids: Sequence[str] | None = None
    prefix: str | None = None
    position: str | None = None
    since: float | None = None
    until: float | None = None
    kept_until: float | None = None
    q: str | None = None

    @classmethod
    def of(cls, **given: Any) -> EventFilter:
        """From the names that people and APIs use; what is None or empty is left out."""
        given = {name: value for name, value in given.items() if value not in (None, "", [])}
        equal = {name: given.pop(name) for name in EQUAL if name in given}
        prefix = None
        if str(equal.get("type", "")).endswith("*"):
            prefix = str(equal.pop("type")).rstrip("*")
        for name, value in equal.items():
            equal[name] = int(value) if name == "partition" else key(str(value))
        since, until = seconds(given.pop("since", None)), seconds(given.pop("until", None))
        unknown = set(given) - {"types", "ids", "position", "q", "kept_until"}
        if unknown:
            raise Refused(
                f"Events can't be selected by {', '.join(sorted(unknown))}: "
                f"use {', '.join(EQUAL)}, types, ids, position, since, until or q."
            )
        return cls(equal=equal, prefix=prefix, since=since, until=until, **given)

    def sql(self, bulk: Bulk) -> tuple[str, list[Any]]:
        """A condition and its parameters, without `q`."""
        where = ["1 = 1"]
        parameters: list[Any] = []

        def add(condition: str, *values: Any) -> None:
            where.append(condition)
            parameters.extend(values)

        for name, value in self.equal.items():
            add(f"{name} = ?", value)
        if self.types is not None:
            add(bulk.any_of("type"), bulk.listed(map(key, self.types)))
        if self.ids is not None:
            add(bulk.any_of("id"), bulk.listed(map(key, self.ids)))
        if self.prefix:
            add("substr(type, 1, ?) = ?", len(self.prefix), self.prefix)
        if self.position:
            add("position >= ?", sortable(self.position))
        if self.since is not None:
            add("time >= ?", self.since)
        if self.until is not None:
            add("time < ?", self.until)
        if self.kept_until is not None:
            add("archived <= ?", self.kept_until)
        return " AND ".join(where), parameters

    def like(self, bulk: Bulk) -> tuple[str, list[str]]:
        """The condition of `q` and its parameters: in a searched column, or in the data's JSON.

        In the data as it is written there, and as the value that it stands for.
        """
        part = self.q or ""
        written = msgspec.json.encode(part).decode()[1:-1]
        needles = [(column, part) for column in (*SEARCHED, "data")]
        if written != part:
            needles.append(("data", written))
        operator = "ILIKE" if bulk.on_postgres else "LIKE"
        conditions = [f"{column} {operator} ? ESCAPE '!'" for column, _ in needles]
        return " OR ".join(conditions), [pattern(needle) for _, needle in needles]
