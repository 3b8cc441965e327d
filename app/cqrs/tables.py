"""A projection's tables, once for each build.

The live build has the tables under their own names, so that readers know of
nothing else; a build beside it has the same tables with a suffix. The switch
renames them, in one transaction: both databases can.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, MetaData, Table, inspect
from sqlalchemy.orm import registry
from sqlmodel import SQLModel


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
    found: dict[type[SQLModel], Any] = {}
    for one in tables:
        table = _copied(one.__table__, build)  # type: ignore[attr-defined]
        mapped = type(one.__name__, (Twin,), {})
        registry().map_imperatively(mapped, table)
        found[one] = mapped
    return found


def _copied(table: Table, build: int) -> Table:
    copy = table.to_metadata(MetaData(), name=f"{table.name}__{build}")
    named: Any
    for named in (*copy.indexes, *copy.constraints):
        if named.name:
            named.name = f"{named.name}__{build}"
    return copy


def make(connection: Connection, classes: Sequence[Any]) -> None:
    """Make those of the tables that aren't there."""
    for one in classes:
        _table(one).create(connection, checkfirst=True)


def switch(connection: Connection, classes: Sequence[tuple[Any, Any]]) -> None:
    """Put each new table in the place of the old one, which is dropped."""
    quote = connection.dialect.identifier_preparer.quote
    there = set(inspect(connection).get_table_names())
    for old, new in classes:
        name, beside = quote(_table(old).name), quote(_table(new).name)
        if _table(old).name in there:
            connection.exec_driver_sql(f"DROP TABLE {name}")
        connection.exec_driver_sql(f"ALTER TABLE {beside} RENAME TO {name}")


def drop(connection: Connection, names: Sequence[str]) -> None:
    """Drop those of these tables that are there."""
    quote = connection.dialect.identifier_preparer.quote
    for name in names:
        connection.exec_driver_sql(f"DROP TABLE IF EXISTS {quote(name)}")


def empty(connection: Connection, names: Sequence[str]) -> None:
    """Delete every row of those of these tables that are there."""
    quote = connection.dialect.identifier_preparer.quote
    there = set(inspect(connection).get_table_names())
    for name in names:
        if name in there:
            connection.exec_driver_sql(f"DELETE FROM {quote(name)}")


def _table(mapped: Any) -> Table:
    return inspect(mapped).local_table
