"""A projection as it was: its rows after an earlier position, or at a time, without touching the live ones.

The author's function fills temporary tables from the first event on, which stand before the live ones
of the same name on one connection, and are gone when they were read. So it needs the author's code,
as the command line and Python have it, and takes as long as a rebuild.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlmodel import Session, select

from app.cqrs import tables
from app.cqrs.view import View
from app.errors import NotFound, Refused
from app.store import followers
from app.store.shadow import shadow

BATCH = 1000


def rows_as_of(
    platform: Any, name: str, position: int | None = None, at: float | None = None
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each row with the name of its table, as of a position, or of a time (seconds since 1970).

    What the live projection left out is left out here, too. Raises `NotFound`, and `Refused`.
    """
    declared = platform.followers.declared.get(name)
    if declared is None:
        raise NotFound(f"No projection {name!r} is declared in the modules of PENSTOCK_HANDLERS.")
    if declared.kind != "projection":
        raise Refused(f"{name} is a reactor: it has no rows.")
    until = platform.event_store.position_at(at) if position is None else position
    database, classes = platform.database, tables.own(declared.tables)
    left_out = _left_out(platform, name)
    with database.apart() as connection:
        shadow(connection, declared.tables)
        after = 0
        while True:
            found = platform.event_store.read_all(after, BATCH, typed=False)
            taken = [one for one in found if one.position <= until]
            with database.on(connection, writes=False) as session:
                view = View(session, classes)
                for one in taken:
                    wanted = not declared.types or one.event.type in declared.types
                    if wanted and one.position not in left_out:
                        view.hand(declared.function, platform.event_store.typed(one).event)
                view.flush()
            if len(taken) < len(found) or not found:
                break
            after = found[-1].position
        with database.on(connection, writes=False) as session:
            yield from _rows(session, classes)


def _left_out(platform: Any, name: str) -> set[int]:
    with platform.database.read() as session:
        rows = followers.builds(session, name)
    return {one["position"] for row in rows for one in row.skipped or []}


def _rows(session: Session, classes: dict[Any, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for table, mapped in classes.items():
        columns = [column.name for column in table.__table__.columns]
        order = table.__table__.primary_key.columns.keys()
        for row in session.execute(select(mapped).order_by(*(getattr(mapped, n) for n in order))):
            yield table.__tablename__, {name: getattr(row[0], name) for name in columns}
