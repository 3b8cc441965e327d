"""Temporary tables that stand before the lasting ones of the same name, on one connection.

Code that knows of nothing else fills them, on both databases: the name means the temporary table
there until the connection ends, and the lasting one everywhere else.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, MetaData
from sqlmodel import SQLModel


def shadow(connection: Connection, classes: Sequence[type[SQLModel]]) -> None:
    """Make them, empty, on a connection `apart` (`app.store.database`)."""
    copies = MetaData()
    for one in classes:
        copy = one.__table__.to_metadata(copies)  # type: ignore[attr-defined]
        copy._prefixes.append("TEMPORARY")
    copies.create_all(connection, checkfirst=False)
    connection.commit()
