"""A projection as it was: its rows after an earlier position, or at a time, without touching the live ones.

The author's function fills temporary tables from the first event on, which stand before the live ones
of the same name on one connection, and are gone when they were read. So it needs the author's code,
as the command line, Python and workers have it, and takes as long as a rebuild.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection
from sqlmodel import Session, select

from app.cqrs import tables
from app.cqrs.as_of.bounded import Bound
from app.cqrs.declaration import Declared
from app.cqrs.view import View
from app.errors import NotFound, PenstockError, Refused
from app.store import followers
from app.store.eventstore.recorded import Recorded
from app.store.shadow import shadow
from app.subscriptions.delivery import RAISED

BATCH, BATCHES = 2000, 25
"""Events that are read at once, and how often before their rows are written: rows that are held are not
looked for again, and unlike a follower this keeps nobody waiting."""


@dataclass
class Past:
    """Its rows are in temporary tables on `connection`; `events` are those that its function was handed."""

    declared: Declared
    connection: Connection
    position: int
    events: int = 0


def rows_as_of(
    platform: Any, name: str, position: int | None = None, at: float | None = None
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each row with the name of its table, as of a position, or of a time (seconds since 1970).

    What the live projection left out is left out here, too. Raises `NotFound`, and `Refused`.
    """
    _declared(platform, name)
    until = moment(platform, position, at)
    with (
        built_as_of(platform, name, until) as past,
        platform.database.on(past.connection, writes=False) as session,
    ):
        yield from _rows(session, tables.own(past.declared.tables))


def moment(platform: Any, position: int | None, at: Any) -> int:
    """The position that is meant. Raises `Refused` for one that is not there, and for no moment or two."""
    if (position is None) == (at is None):
        raise Refused("Say either `position`, or `at` for a time.")
    store = platform.event_store
    if position is None:
        return int(store.position_at(at))
    head = store.head()
    if not 0 <= position <= head:
        raise Refused(f"The positions are 0 to {head}: there is no {position}.")
    return position


@contextmanager
def built_as_of(platform: Any, name: str, until: int, bound: Bound | None = None) -> Iterator[Past]:
    """Fold the events up to a position; the tables are there until the block ends.

    Raises `NotFound`, and `Refused` where its code fails, or where a `bound` is given and passed.
    """
    declared = _declared(platform, name)
    left_out = _left_out(platform, name)
    with platform.database.apart() as connection:
        if bound:
            bound.hold(connection)
        shadow(connection, declared.tables)
        past, after, ended = Past(declared, connection, until), 0, False
        while not ended:
            last: Recorded | None = None
            with platform.database.on(connection, writes=False) as session:
                view = View(session, tables.own(declared.tables))
                for _ in range(BATCHES):
                    found = platform.event_store.read_all(
                        after, BATCH, typed=False, until=until, types=declared.types
                    )
                    if not found:
                        ended = True
                        break
                    _fold(platform, past, view, found, left_out, bound)
                    last, after = found[-1], found[-1].position
                if last:
                    with _said(declared, last, bound):
                        view.flush()
        yield past


def _fold(
    platform: Any,
    past: Past,
    view: View,
    found: Sequence[Recorded],
    left_out: set[int],
    bound: Bound | None,
) -> None:
    for one in found:
        if bound:
            bound.check(one.position - 1)
        if one.position not in left_out:
            with _said(past.declared, one, bound):
                view.hand(past.declared.function, platform.event_store.typed(one).event)
            past.events += 1


def _declared(platform: Any, name: str) -> Declared:
    declared: Declared | None = platform.followers.declared.get(name)
    if declared is None:
        raise NotFound(f"No projection {name!r} is declared in the modules of PENSTOCK_HANDLERS.")
    if declared.kind != "projection":
        raise Refused(f"{name} is a reactor: it has no rows.")
    return declared


@contextmanager
def _said(declared: Declared, one: Recorded, bound: Bound | None) -> Iterator[None]:
    """Raises `Refused` for what the author's code raises."""
    try:
        with bound.explained() if bound else nullcontext():
            yield
    except PenstockError:
        raise
    except RAISED as error:
        raise Refused(
            f"The event {one.event.id} ({one.event.type}) at the position {one.position}, or one of those "
            f"before it, fails the code of {declared.name} as it is now: {type(error).__name__}: {error}"
        ) from error


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
