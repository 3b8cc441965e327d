"""The outbox: events that are published because a transaction was committed, and only then.

Whoever writes rows puts the events that follow from them here, in the same
transaction; the relay (`app.subscriptions.relay`) brings them to their topics
and deletes them. `due` holds one back; one that has a `handle` can be called
back until then, which is how a deadline is kept. What can't be published (its
schema has changed since, say) stays with its `problem`, and holds up no other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Index, delete, func, literal_column, text, update
from sqlmodel import Field, Session, SQLModel, col, select

from app.events.event import Event
from app.store.after_commit import once_committed
from app.store.columns import Key, LongText, Moment, Serial, key
from app.store.database import check_writes

AT_ONCE = 0.0
STEP = 32
"""Rows to read at a time, of those whose events are shown."""


def _where(condition: str) -> dict[str, Any]:
    """Of an index that has only some rows."""
    return {"sqlite_where": text(condition), "postgresql_where": text(condition)}


class OutboxRow(SQLModel, table=True):
    """`event` is the stored form of an event, whose plain values hold what its class made of them."""

    __tablename__ = "outbox"
    __table_args__ = (
        Index("outbox_waiting", "due", "id", **_where("problem IS NULL")),
        Index("outbox_refused", "id", **_where("problem IS NOT NULL")),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=Serial)
    due: float = Field(sa_type=Moment)
    handle: str | None = Field(default=None, index=True, nullable=True, sa_type=Key)
    event: str = Field(sa_type=LongText)
    problem: str | None = Field(default=None, nullable=True, sa_type=LongText)


class Waiting(NamedTuple):
    id: int
    event: Event


class Outbox:
    """`wake` is called after a commit: a hint to the relay, which looks by itself as well."""

    def __init__(self, wake: Callable[[], None]):
        self._wake = wake

    def add(
        self,
        session: Session,
        events: Sequence[Event],
        *,
        due: float = AT_ONCE,
        handle: str | None = None,
        wake: bool = True,
    ) -> None:
        """Publish these events, in order, once the session is committed and `due` (s since 1970) is here.

        `wake`: the relay is told, where they are due at once. Raises `Refused` for a session that only reads.
        """
        check_writes(session)
        for one in events:
            stored = one.to_bytes().decode()
            session.add(OutboxRow(due=due, handle=key(handle) if handle else None, event=stored))
        session.flush()
        if wake and due == AT_ONCE:
            wake_after(session, self._wake)

    @staticmethod
    def call_back(session: Session, handle: str) -> None:
        """Forget what waits under this handle; nothing where it was published already."""
        session.execute(delete(OutboxRow).where(col(OutboxRow.handle) == key(handle)))


def dues(session: Session, handles: Iterable[str]) -> dict[str, float]:
    """When what waits under these handles is due; those under which nothing waits are left out."""
    query = select(OutboxRow.handle, OutboxRow.due).where(col(OutboxRow.handle).in_(list(handles)))
    return {handle: at for handle, at in session.exec(query) if handle is not None}


def first_under(session: Session, handle: str) -> Waiting | None:
    """What waits longest under this handle; what its topic refused doesn't wait."""
    query = select(OutboxRow).where(
        OutboxRow.handle == key(handle), col(OutboxRow.problem).is_(None)
    )
    row = session.exec(query.order_by(col(OutboxRow.id)).limit(1)).first()
    return Waiting(row.id or 0, Event.from_bytes(row.event.encode())) if row else None


def due(session: Session, now: float, limit: int) -> list[Waiting]:
    """What is to be published now, the oldest first."""
    found = sorted(_due(session, now, limit), key=lambda row: row.id or 0)[:limit]
    return [Waiting(row.id or 0, Event.from_bytes(row.event.encode())) for row in found]


def _due(session: Session, now: float, limit: int) -> list[OutboxRow]:
    """The oldest of those that were due at once, and the oldest of those whose time has come.

    Apart, and the second in an order that no index has: for one `ORDER BY id` over both, SQLite
    reads the table by its key, past every deadline that is for later, and PostgreSQL may.
    """
    waiting = select(OutboxRow).where(col(OutboxRow.problem).is_(None)).limit(limit)
    at_once = waiting.where(OutboxRow.due == AT_ONCE).order_by(col(OutboxRow.id))
    come = waiting.where(col(OutboxRow.due) > AT_ONCE, col(OutboxRow.due) <= now)
    return [*session.exec(at_once), *session.exec(come.order_by(literal_column("id + 0")))]


def oldest_due(session: Session, now: float) -> float | None:
    """Since when the oldest that is to be published waits; None where none does.

    By its own time, where it was due at once: that is when it was made.
    """
    waiting = select(OutboxRow).where(col(OutboxRow.problem).is_(None), OutboxRow.due == AT_ONCE)
    first = session.exec(waiting.order_by(col(OutboxRow.id)).limit(1)).first()
    come = select(func.min(OutboxRow.due)).where(
        col(OutboxRow.problem).is_(None), col(OutboxRow.due) > AT_ONCE, col(OutboxRow.due) <= now
    )
    made = Event.from_bytes(first.event.encode()).time.timestamp() if first else None
    return min((at for at in (made, session.exec(come).one()) if at is not None), default=None)


def next_due(session: Session) -> float | None:
    """When the next one is due, in seconds since 1970; None where none waits."""
    query = select(func.min(OutboxRow.due)).where(col(OutboxRow.problem).is_(None))
    return session.exec(query).one()


def drop(session: Session, ids: Sequence[int]) -> None:
    """These are in their topics."""
    session.execute(delete(OutboxRow).where(col(OutboxRow.id).in_(ids)))


def refuse(session: Session, id: int, problem: str) -> None:
    """This one can't be published: it stays, and says why."""
    session.execute(update(OutboxRow).where(col(OutboxRow.id) == id).values(problem=problem))


def set_aside(session: Session, event: Event, problem: str) -> None:
    """Keep an event that came from elsewhere and can't be published."""
    session.add(OutboxRow(due=AT_ONCE, event=event.to_bytes().decode(), problem=problem))


def refused(session: Session, before: int | None = None) -> Iterator[OutboxRow]:
    """Those that can't be published, the newest first; `before` one of them. Read as they are needed."""
    query = select(OutboxRow).where(col(OutboxRow.problem).is_not(None))
    query = query.order_by(col(OutboxRow.id).desc()).limit(STEP)
    while True:
        earlier = query if before is None else query.where(col(OutboxRow.id) < before)
        rows = session.exec(earlier).all()
        yield from rows
        if len(rows) < STEP:
            return
        before = rows[-1].id


class Counted(NamedTuple):
    due: int
    later: int
    refused: int


def counted(session: Session, now: float) -> Counted:
    """How many are due now, how many later, and how many can't be published."""
    query = text(
        "SELECT (SELECT count(*) FROM outbox WHERE problem IS NULL AND due <= :now),"
        " (SELECT count(*) FROM outbox WHERE problem IS NULL AND due > :now),"
        " (SELECT count(*) FROM outbox WHERE problem IS NOT NULL)"
    )
    return Counted(*session.execute(query, {"now": now}).one())


def wake_after(session: Session, wake: Callable[[], None]) -> None:
    """Call once, when the session's transaction is committed."""
    once_committed(session, "wake", wake)
