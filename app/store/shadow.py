"""Temporary tables that stand before the lasting ones of the same name, on one connection.

Code that knows of nothing else fills them, on both databases: the name means the temporary table
there until the connection ends, and the lasting one everywhere else.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import Connection, ForeignKeyConstraint, Index, MetaData, Table
from sqlmodel import SQLModel


def shadow(
    connection: Connection, classes: Sequence[type[SQLModel]], *, indexes: bool = True
) -> list[Index]:
    """Make them, empty, on a connection `apart` (`app.store.database`).

    Without `indexes` these are given back, for `create(connection)` when the rows are there.
    """
    copies = MetaData()
    later: list[Index] = []
    names = {str(one.__tablename__) for one in classes}
    for one in classes:
        copy = one.__table__.to_metadata(copies)  # type: ignore[attr-defined]
        copy._prefixes.append("TEMPORARY")
        lasting = [c for c in copy.foreign_key_constraints if _referred(c) not in names]
        forget_references(copy, lasting)
        if not indexes:
            later.extend(copy.indexes)
            copy.indexes.clear()
    copies.create_all(connection, checkfirst=False)
    connection.commit()
    return later


def forget_references(table: Table, constraints: Iterable[ForeignKeyConstraint]) -> None:
    """Take foreign keys off a copied table: a temporary table can't refer to a lasting one."""
    for constraint in list(constraints):
        table.constraints.remove(constraint)
        for element in constraint.elements:
            table.foreign_keys.discard(element)
            element.parent.foreign_keys.discard(element)


def _referred(constraint: ForeignKeyConstraint) -> str:
    return constraint.elements[0].target_fullname.rpartition(".")[0]
