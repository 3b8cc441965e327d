"""Runs that wait for a person: a run with a hold isn't over, its state is `waiting`.

A hold is placed in a handler's transaction and released in that of a
decision; whoever releases it first decides.
"""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import delete
from sqlmodel import Field, Session, SQLModel, col, select

from app.store.bulk import Bulk
from app.store.columns import Key, Moment, key
from app.store.database import Database
from app.store.projection.derive import derive_runs


class HoldRow(SQLModel, table=True):
    """`what` is decided, such as `model adult 3`; `event` is what asked for it."""

    __tablename__ = "holds"

    what: str = Field(primary_key=True, sa_type=Key)
    correlationid: str = Field(index=True, sa_type=Key)
    event: str = Field(sa_type=Key)
    since: float = Field(sa_type=Moment)


class Hold(NamedTuple):
    correlationid: str
    event: str


def place(session: Session, what: str, correlationid: str, event: str, now: float) -> None:
    """The run waits; placing it again changes nothing."""
    if session.get(HoldRow, key(what)) is None:
        session.add(
            HoldRow(what=key(what), correlationid=key(correlationid), event=key(event), since=now)
        )
        session.flush()


def release(session: Session, what: str) -> Hold | None:
    """The hold, which is gone when the session commits; None where somebody was quicker."""
    row = session.exec(select(HoldRow).where(col(HoldRow.what) == key(what))).first()
    if row is None:
        return None
    found = Hold(row.correlationid, row.event)
    session.expunge(row)
    gone = session.exec(delete(HoldRow).where(col(HoldRow.what) == key(what)))
    return found if gone.rowcount == 1 else None


def derive_again(database: Database, correlationid: str) -> None:
    """Work the run's state out once more: the decision may have been seen before its commit."""
    with database.session() as session:
        derive_runs(Bulk(session), [key(correlationid)])
