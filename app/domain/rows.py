"""Rows that bear a name: taken and locked, made where they aren't there yet; and listed by change.

`locked` holds the row until the commit; `last_changed` is a page's worth of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session, SQLModel, col, select

from app.domain.tables import DatasetRow, ModelRow
from app.store.page import read_cursor

Row = TypeVar("Row", bound=SQLModel)
Named = TypeVar("Named", DatasetRow, ModelRow)


def locked(session: Session, table: type[Row], name: str, new: Row) -> Row:
    """The row called `name`; two transactions that want the same one wait for each other.

    On SQLite a writer has the whole file anyway.
    """
    insert: Any = (sqlite if session.get_bind().dialect.name == "sqlite" else postgresql).insert(
        table
    )
    session.execute(
        insert.values(**new.model_dump()).on_conflict_do_nothing(index_elements=["name"])
    )
    found = session.get(table, name, with_for_update=True, populate_existing=True)
    assert found is not None
    return found


def last_changed(
    session: Session, table: type[Named], limit: int, cursor: str | None
) -> Sequence[Named]:
    """The rows after the cursor, the last changed first, one more than `limit` for `paged`."""
    updated, name = col(table.updated), col(table.name)
    query = select(table).order_by(updated.desc(), name.desc())
    if cursor:
        at, last = read_cursor(cursor, float, str)
        query = query.where((updated < at) | ((updated == at) & (name < last)))
    return session.exec(query.limit(limit + 1)).all()


def place(row: DatasetRow | ModelRow) -> tuple[float, str]:
    """What a cursor of this list holds."""
    return row.updated, row.name
