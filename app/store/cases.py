"""What a join or a process remembers of each key: one row, locked by who works on it.

A case is opened in the transaction of a handler (`ctx.session`), so that what
it remembers, its deadline in the outbox and the mark of the delivery hold
together, or not at all. Two handlers of one key follow each other.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import case, delete, func, literal, literal_column, text
from sqlmodel import Field, Session, SQLModel, col, select

from app.store.columns import JsonText, Key, Moment, Serial, key

NEW, DONE, EXPIRED, UNDONE = "", "done", "expired", "undone"
ENDED = "ended by hand"
"""What people are told of a case that an operator ended. Its row is an expired one with a mark: a release
that doesn't know this state, beside this one or rolled back to, would take it for an open case.
"""
_MARK = {"by hand": True}
OVER = (DONE, EXPIRED, UNDONE, ENDED)


class CaseRow(SQLModel, table=True):
    """`owner` is a subscription; `data` is its own affair; `generation` rises with a rewind."""

    __tablename__ = "cases"

    owner: str = Field(primary_key=True, sa_type=Key)
    key: str = Field(primary_key=True, sa_type=Key)
    state: str = Field(sa_type=Key)
    data: Any = Field(default=None, nullable=True, sa_type=JsonText)
    generation: int = Field(default=0, sa_type=Serial)
    since: float = Field(sa_type=Moment)
    updated: float = Field(index=True, sa_type=Moment)


def opened(session: Session, owner: str, name: str, now: float) -> CaseRow:
    """The case of this key, made where there is none, locked until the transaction ends."""
    session.execute(
        text(
            "INSERT INTO cases (owner, key, state, data, generation, since, updated)"
            " VALUES (:owner, :key, '', NULL, 0, :now, :now) ON CONFLICT (owner, key) DO NOTHING"
        ),
        {"owner": key(owner), "key": key(name), "now": now},
    )
    query = select(CaseRow).where(col(CaseRow.owner) == key(owner), col(CaseRow.key) == key(name))
    return session.exec(query.with_for_update()).one()


def keep(session: Session, row: CaseRow, state: str, data: Any, now: float) -> None:
    """Remember this of it."""
    row.state, row.data, row.updated = state, data, now
    session.add(row)
    session.flush()


def locked(session: Session, owner: str, names: Iterable[str]) -> list[CaseRow]:
    """Those of these keys that there are, locked until the transaction ends."""
    query = select(CaseRow).where(
        col(CaseRow.owner) == key(owner), col(CaseRow.key).in_([key(name) for name in names])
    )
    return list(session.exec(query.order_by(CaseRow.key).with_for_update()))


def end(session: Session, row: CaseRow, now: float) -> None:
    """It is over, by hand."""
    keep(session, row, EXPIRED, _MARK, now)


def told_state(row: CaseRow) -> str:
    """Its state, as people are told: `ENDED` where an operator ended it."""
    return ENDED if row.state == EXPIRED and row.data is not None else row.state


def drop(session: Session, row: CaseRow) -> None:
    """There is nothing to remember of it."""
    session.delete(row)
    session.flush()


def find(
    session: Session,
    owner: str,
    state: str | None = None,
    limit: int = 50,
    before: tuple[float, str] | None = None,
) -> list[CaseRow]:
    """Its cases, the last changed first; `before` is the place of one, in time and by its key."""
    query = select(CaseRow).where(col(CaseRow.owner) == key(owner))
    if state is not None:
        query = query.where(col(CaseRow.state) == key(EXPIRED if state == ENDED else state))
    if state in (EXPIRED, ENDED):
        marked = col(CaseRow.data).is_not(None)
        query = query.where(marked if state == ENDED else ~marked)
    if before:
        at, name = before
        same = (col(CaseRow.updated) == at) & (col(CaseRow.key) < name)
        query = query.where((col(CaseRow.updated) < at) | same)
    newest = query.order_by(col(CaseRow.updated).desc(), col(CaseRow.key).desc())
    return list(session.exec(newest.limit(limit)))


def counted(session: Session, owner: str) -> list[tuple[str, int]]:
    """How many of its cases are in each state."""
    by_hand = (col(CaseRow.state) == EXPIRED) & col(CaseRow.data).is_not(None)
    state = case((by_hand, literal(ENDED)), else_=col(CaseRow.state)).label("told")
    query = select(state, func.count()).where(col(CaseRow.owner) == key(owner))
    return [(told, number) for told, number in session.exec(query.group_by(literal_column("told")))]


def open_keys(session: Session, owner: str) -> list[str]:
    """The keys of its cases that are not over."""
    query = select(CaseRow.key).where(
        col(CaseRow.owner) == key(owner), col(CaseRow.state).not_in(OVER)
    )
    return list(session.exec(query))


def forget(session: Session, owner: str) -> None:
    """All cases of a subscription that is no more."""
    session.execute(delete(CaseRow).where(col(CaseRow.owner) == key(owner)))


def prune(session: Session, before: float) -> int:
    """Forget cases that were over before this time, or had not begun and heard nothing since; how many."""
    gone = session.execute(
        delete(CaseRow).where(col(CaseRow.updated) < before, col(CaseRow.state).in_((NEW, *OVER)))
    )
    return gone.rowcount  # type: ignore[attr-defined]
