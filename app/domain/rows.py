"""Taking a row by its name, made where it isn't there yet, and locked until the commit."""

from __future__ import annotations

from typing import Any, TypeVar

from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session, SQLModel

Row = TypeVar("Row", bound=SQLModel)


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
