"""A projection's tables, once for each build.

The live build has the tables under their own names, so that readers know of
nothing else; a build beside it has the same tables with a suffix, whose foreign
keys refer to one another. The switch renames them, in one transaction: both
databases can.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, ForeignKeyConstraint, MetaData, Table, inspect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import registry
from sqlalchemy.schema import sort_tables
from sqlmodel import SQLModel

from app.errors import Refused
from app.store.failures import describe
from app.store.shadow import forget_references

PATIENCE = "2s"
"""How long PostgreSQL waits for those who read a table that is to go: whoever reads it next waits behind."""


class Twin:
    """A row of a table under another name, with the attributes of the author's class."""

    def __init__(self, **values: Any):
        for name, value in values.items():
            setattr(self, name, value)


def own(tables: Sequence[type[SQLModel]]) -> dict[type[SQLModel], Any]:
    """Of the live build: each class is itself."""
    return {one: one for one in tables}


def suffixed(tables: Sequence[type[SQLModel]], build: int) -> dict[type[SQLModel], Any]:
    """Of a build beside it: for each class one of the same columns, on a table of its own."""
    copies = MetaData()
    originals: list[Table] = [one.__table__ for one in tables]  # type: ignore[attr-defined]
    copied = {one: _copied(one, copies, build) for one in originals}
    for original, copy in copied.items():
        for constraint in original.foreign_key_constraints:
            _refer(copy, constraint, copied.get(constraint.referred_table), build)
    found: dict[type[SQLModel], Any] = {}
    for one, table in zip(tables, copied.values(), strict=True):
        mapped = type(one.__name__, (Twin,), {})
        registry().map_imperatively(mapped, table)
        found[one] = mapped
    return found


def _copied(table: Table, copies: MetaData, build: int) -> Table:
    """Without its foreign keys."""
    copy = table.to_metadata(copies, name=f"{table.name}__{build}")
    forget_references(copy, copy.foreign_key_constraints)
    named: Any
    for named in (*copy.indexes, *copy.constraints):
        if named.name:
            named.name = f"{named.name}__{build}"
    return copy


def _refer(copy: Table, constraint: ForeignKeyConstraint, to: Table | None, build: int) -> None:
    """Give a copy one of its foreign keys: `to` the copy of the other table, or to that itself."""
    named: Any = constraint.name
    other = constraint.referred_table if to is None else to
    copy.append_constraint(
        ForeignKeyConstraint(
            constraint.column_keys,
            [other.columns[element.column.key] for element in constraint.elements],
            name=f"{named}__{build}" if named else None,
            onupdate=constraint.onupdate,
            ondelete=constraint.ondelete,
            deferrable=constraint.deferrable,
            initially=constraint.initially,
        )
    )


def make(connection: Connection, classes: Sequence[Any]) -> None:
    """Make those of the tables that aren't there; what others refer to comes first."""
    for table in sort_tables([_table(one) for one in classes]):
        table.create(connection, checkfirst=True)


def unlike(connection: Connection, classes: Sequence[Any]) -> str | None:
    """What tables that are there have not as their classes say, in words; None where rows fit in.

    Types are not compared: two databases spell them in many ways.
    """
    looking = inspect(connection)
    there = set(looking.get_table_names())
    for table in map(_table, classes):
        if table.name not in there:
            continue
        found = {one["name"]: one for one in looking.get_columns(table.name)}
        wanted = [column.name for column in table.columns]
        lacking = [name for name in wanted if name not in found]
        needing = [
            name for name, one in found.items()
            if name not in wanted and not one["nullable"] and one["default"] is None
        ]  # fmt: skip
        if lacking:
            return f"{table.name} has no column {', '.join(lacking)}"
        if needing:
            return f"{table.name} needs {', '.join(needing)}, which the class doesn't have"
    return None


def switch(
    connection: Connection, classes: Sequence[tuple[Any, Any]], left: Sequence[str] = ()
) -> None:
    """Put each new table in the place of the old one, which is dropped, as are those that have no new one."""
    quote = connection.dialect.identifier_preparer.quote
    drop(connection, [*(_table(old).name for old, _ in classes), *left])
    for old, new in classes:
        name, beside = quote(_table(old).name), quote(_table(new).name)
        connection.exec_driver_sql(f"ALTER TABLE {beside} RENAME TO {name}")


def drop(connection: Connection, names: Sequence[str]) -> None:
    """Drop those of these tables that are there.

    Raises `Refused` where another table refers to one, and `Unavailable` where one is read for long.
    """
    quote = connection.dialect.identifier_preparer.quote
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{PATIENCE}'")
    with _alone(names):
        for name in _referring_first(connection, names):
            connection.exec_driver_sql(f"DROP TABLE {quote(name)}")


def empty(connection: Connection, names: Sequence[str]) -> None:
    """Delete every row of those of these tables that are there. Raises `Refused` as `drop` does."""
    quote = connection.dialect.identifier_preparer.quote
    with _alone(names):
        for name in _referring_first(connection, names):
            connection.exec_driver_sql(f"DELETE FROM {quote(name)}")


@contextmanager
def _alone(names: Sequence[str]) -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        if describe(error) is not None:
            raise
        raise Refused(
            f"The tables {', '.join(names)} are built anew by themselves, so no other table may refer to "
            f"them. Take its foreign key away: {error.orig}"
        ) from error


def _referring_first(connection: Connection, names: Sequence[str]) -> list[str]:
    """Those that are there, each before the tables that its foreign keys refer to."""
    looking = inspect(connection)
    there = set(looking.get_table_names()) & set(names)
    refers = {
        name: {key["referred_table"] for key in looking.get_foreign_keys(name)} & there - {name}
        for name in there
    }
    found: list[str] = []
    while refers:
        referred = set().union(*refers.values())
        free = [name for name in refers if name not in referred]
        found += free or list(refers)
        refers = {name: to for name, to in refers.items() if name not in found}
    return found


def _table(mapped: Any) -> Table:
    return inspect(mapped).local_table
