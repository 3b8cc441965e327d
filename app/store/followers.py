"""How far each projection and reactor has come: a row for each of its builds.

A build is one set of a projection's tables: `live` is read, `building` is made
beside it. The position is written in the transaction of the rows that it
stands for, by whoever finds the row where it left it: of two who follow at
once, one finds that the other has moved on, and nothing is done twice.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import text
from sqlmodel import Field, Session, SQLModel, col, select

from app.store import frozen
from app.store.columns import JsonText, Key, LongText, Moment, Serial, key

LIVE, BUILDING = "live", "building"


class FollowerRow(SQLModel, table=True):
    """`problem` says what stopped it, `stopped_by` is it as data (`app.cqrs.stopping`).

    `skipped` are events that were left out, each with its error; `leaves_out` says which are to be
    (`app.cqrs.leaving_out`).
    """

    __tablename__ = "followers"

    name: str = Field(primary_key=True, sa_type=Key)
    build: int = Field(primary_key=True)
    kind: str = Field(sa_type=Key)
    version: int
    state: str = Field(sa_type=Key)
    position: int = Field(default=0, sa_type=Serial)
    paused: bool = False
    problem: str | None = Field(default=None, nullable=True, sa_type=LongText)
    stopped_by: Any = Field(default=None, nullable=True, sa_type=JsonText)
    skipped: Any = Field(default=None, nullable=True, sa_type=JsonText)
    leaves_out: Any = Field(default=None, nullable=True, sa_type=JsonText)
    tables: Any = Field(default=None, nullable=True, sa_type=JsonText)
    updated: float = Field(sa_type=Moment)


def builds(session: Session, name: str | None = None) -> list[FollowerRow]:
    """The builds of one, or of all: by name, the oldest first."""
    query = select(FollowerRow).order_by(col(FollowerRow.name), col(FollowerRow.build))
    if name is not None:
        query = query.where(col(FollowerRow.name) == key(name))
    return list(session.exec(query))


def locked(session: Session, name: str, build: int) -> FollowerRow | None:
    """One build, locked until the transaction ends; None where it is gone."""
    frozen.bound(session)
    query = select(FollowerRow).where(
        col(FollowerRow.name) == key(name), col(FollowerRow.build) == build
    )
    return session.exec(query.with_for_update().execution_options(populate_existing=True)).first()


def begin(
    session: Session, name: str, build: int, kind: str, version: int, state: str,
    tables: list[str], now: float, position: int = 0, paused: bool = False,
) -> None:  # fmt: skip
    """Make a build known; nothing where another process has."""
    session.execute(
        text(
            "INSERT INTO followers (name, build, kind, version, state, position, paused, tables,"
            " updated) VALUES (:name, :build, :kind, :version, :state, :position, :paused, :tables, :now)"
            " ON CONFLICT (name, build) DO NOTHING"
        ).bindparams(),
        {
            "name": key(name),
            "build": build,
            "kind": kind,
            "version": version,
            "state": state,
            "tables": JsonText().process_bind_param(tables, session.get_bind().dialect),
            "now": now,
            "position": position,
            "paused": paused,
        },
    )
