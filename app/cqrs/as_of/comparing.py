"""The rows of a projection as it was, beside those that it has now: which are new, gone or changed since.

By primary key, in the database: both sets of tables are on one connection, the temporary ones before
the live ones of the same name (`app.cqrs.as_of.rows`). What differs comes first, and is bounded.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
from sqlalchemy import (
    JSON,
    Column,
    MetaData,
    Select,
    Table,
    Text,
    and_,
    cast,
    exists,
    false,
    func,
    inspect,
    not_,
    or_,
    select,
)  # fmt: skip
from sqlmodel import Session

from app.cqrs.as_of.rows import Past
from app.store import followers
from app.store.followers import LIVE
from app.store.shadow import forget_references

ROWS, BYTES = 1000, 1 << 20
"""How much of it is told at most."""

Told = dict[str, Any]


def compared(platform: Any, past: Past) -> Told:
    """`{"position", "events", "live", "tables", "cut"}`, and for each table its rows, those that differ first.

    `live` is `{"position", "version"}` of the tables now, None where there is nothing to compare with: none
    were made yet, or they are of another version of the code. A row is `{"kind": "changed" | "gone" | "new" |
    "same", "then", "now"}`, None where it is absent; the counts are of all rows, not only of those told.
    """
    database = platform.database
    with database.on(past.connection, writes=False) as session:
        if not database.on_sqlite:
            # One look at the live rows and at how far they are.
            session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
        schema = database.schema_of(session.connection())
        live = _live(session, past, schema)
        sides = [
            _Sides(one.__table__, schema if live else None)  # type: ignore[attr-defined]
            for one in past.declared.tables
        ]
        found = [one.described(session) for one in sides]
        room = _Room()
        for differing in (True, False):
            for one, told in zip(sides, found, strict=True):
                told["rows"] += room.taken(one.rows(session, differing))
    return {
        "position": past.position,
        "events": past.events,
        "live": live,
        "tables": found,
        "cut": room.is_full,
    }


def _live(session: Session, past: Past, schema: str) -> Told | None:
    rows = followers.builds(session, past.declared.name)
    row = next((row for row in rows if row.state == LIVE), None)
    there = set(inspect(session.connection()).get_table_names(schema=schema))
    names = {str(one.__tablename__) for one in past.declared.tables}
    if row is None or row.version != past.declared.version or not names <= there:
        return None
    return {"position": row.position, "version": row.version}


class _Sides:
    """A table then and now."""

    def __init__(self, table: Table, schema: str | None):
        self.name = str(table.name)
        self.key = [str(column.name) for column in table.primary_key.columns]
        self.columns = [str(column.name) for column in table.columns]
        self.then: Any = table.alias("was")
        self.now: Any = None
        if schema is None:
            return
        live = table.to_metadata(MetaData(), schema=schema)
        forget_references(live, live.foreign_key_constraints)
        now = self.now = live.alias("lives")
        keys = [column.key for column in table.primary_key.columns]
        self.same_key = and_(*(self.then.c[key] == now.c[key] for key in keys))
        others = [column.key for column in table.columns if not column.primary_key]
        self.differs = or_(
            false(),
            *(_plain(self.then.c[k]).is_distinct_from(_plain(now.c[k])) for k in others),
        )

    def described(self, session: Session) -> Told:
        def count(query: Select[Any]) -> int:
            return session.execute(query).scalar_one()

        told: Told = {
            "table": self.name,
            "columns": self.columns,
            "key": self.key,
            "then": count(select(func.count()).select_from(self.then)),
            "now": None, "new": None, "gone": None, "changed": None, "rows": [],
        }  # fmt: skip
        if self.now is not None:
            told["now"] = count(select(func.count()).select_from(self.now))
            told["gone"] = count(self._alone(self.then, self.now, func.count()))
            told["new"] = told["now"] - (told["then"] - told["gone"])
            told["changed"] = count(
                select(func.count()).select_from(self._joined()).where(self.differs)
            )
        return told

    def rows(self, session: Session, differing: bool) -> Iterator[Told]:
        """Of one kind after the other, each by key."""
        then, now = list(self.then.columns), None if self.now is None else list(self.now.columns)
        if now is None:
            if not differing:
                every = select(*then).order_by(*self.then.primary_key).limit(ROWS + 1)
                for row in session.execute(every):
                    yield _row("same", self._named(row), None)
            return
        both = select(*then, *now).select_from(self._joined()).order_by(*self.then.primary_key)
        wanted = self.differs if differing else not_(self.differs)
        for row in session.execute(both.where(wanted).limit(ROWS + 1)):
            values = tuple(row)
            yield _row("changed" if differing else "same",
                       self._named(values[: len(then)]), self._named(values[len(then) :]))  # fmt: skip
        if not differing:
            return
        gone, new = self._alone(self.then, self.now, *then), self._alone(self.now, self.then, *now)
        for row in session.execute(gone.order_by(*self.then.primary_key).limit(ROWS + 1)):
            yield _row("gone", self._named(row), None)
        for row in session.execute(new.order_by(*self.now.primary_key).limit(ROWS + 1)):
            yield _row("new", None, self._named(row))

    def _joined(self) -> Any:
        return self.then.join(self.now, self.same_key)

    def _alone(self, side: Any, other: Any, *wanted: Any) -> Select[Any]:
        """What is on this side only."""
        on_both = exists(select(1).select_from(other).where(self.same_key).correlate(side))
        return select(*wanted).select_from(side).where(~on_both)

    def _named(self, values: Any) -> Told:
        return dict(zip(self.columns, values, strict=True))


class _Room:
    """For so many rows, and so many bytes."""

    def __init__(self) -> None:
        self._rows, self._bytes = ROWS, BYTES
        self.is_full = False

    def taken(self, rows: Iterator[Told]) -> list[Told]:
        found = []
        for row in rows:
            encoded = msgspec.json.encode(row, enc_hook=str)
            self._rows, self._bytes = self._rows - 1, self._bytes - len(encoded)
            if self._rows < 0 or self._bytes < 0:
                self.is_full = True
                break
            found.append(msgspec.json.decode(encoded))
        return found


def _row(kind: str, then: Told | None, now: Told | None) -> Told:
    return {"kind": kind, "then": then, "now": now}


def _plain(column: Column[Any]) -> Any:
    """JSON has no equality on PostgreSQL, but its text has."""
    kind: Any = column.type
    return cast(column, Text) if isinstance(getattr(kind, "impl", kind), JSON) else column
