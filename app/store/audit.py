"""The audit log: who changed what, when, from where, why, from what to what.

Whatever changes something does so in `changing`, or hands its session to `record`: the line is
in the transaction of the change. From where and at whose request is `app.origin`'s to say.
Append-only: the database itself refuses to change or delete a row (the
triggers are in the first migration).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from sqlalchemy import Index, func
from sqlmodel import Field, Session, SQLModel, col, select

from app import origin
from app.clock import Clock, SystemClock
from app.store import once
from app.store.columns import JsonText, Key, Moment, Serial, key, key_or_none
from app.store.database import Database
from app.store.moments import iso, seconds
from app.store.page import Page, paged, read_cursor

EXPORT_PAGE = 500


class AuditRow(SQLModel, table=True):
    __tablename__ = "audit"
    __table_args__ = (
        Index("audit_by_actor", "actor", "id"),
        Index("audit_by_action", "action", "id"),
        Index("audit_by_target", "target", "id"),
        Index("audit_by_cause", "cause"),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=Serial)
    at: float = Field(sa_type=Moment)
    actor: str = Field(sa_type=Key)
    action: str = Field(sa_type=Key)
    target: str = Field(sa_type=Key)
    before: Any = Field(default=None, nullable=True, sa_type=JsonText)
    after: Any = Field(default=None, nullable=True, sa_type=JsonText)
    details: dict[str, Any] = Field(sa_type=JsonText)
    interface: str | None = Field(default=None, nullable=True, sa_type=Key)
    address: str | None = Field(default=None, nullable=True, sa_type=Key)
    cause: str | None = Field(default=None, nullable=True, sa_type=Key)


class Change:
    """What the block of `Audit.changing` says of itself, where it knows."""

    def __init__(self) -> None:
        self.before: Any = None
        self.after: Any = None


class Audit:
    def __init__(self, database: Database, clock: Clock | None = None):
        self._database = database
        self._clock = clock or SystemClock()

    @contextmanager
    def changing(self, actor: str, action: str, target: str, **details: Any) -> Iterator[Change]:
        """The block's change and its line: whatever it writes to SQL is one transaction with it.

        Nothing is noted, and nothing is changed, where it raises.
        """
        change = Change()
        with self._database.together() as session:
            yield change
            self.record(
                actor, action, target, change.before, change.after, session=session, **details
            )

    def record(
        self,
        actor: str,
        action: str,
        target: str,
        before: Any = None,
        after: Any = None,
        *,
        session: Session | None = None,
        **details: Any,
    ) -> None:
        """Note a change: in the caller's transaction if given, so that both hold or neither."""
        here = origin.current()
        here.noted += 1
        row = AuditRow(
            at=self._clock.now(),
            actor=key(actor),
            action=key(action),
            target=key(str(target)),
            before=before,
            after=after,
            details=details,
            interface=key_or_none(here.interface),
            address=key_or_none(here.address),
            cause=key_or_none(here.cause),
        )
        with nullcontext(session) if session is not None else self._database.session() as writing:
            writing.add(row)
            if here.claim is not None:
                what = {"action": action, "target": str(target)}
                once.made(writing, here.claim, what, undone=session is not None)

    def find(
        self,
        actor: str | None = None,
        action: str | None = None,
        target: str | None = None,
        cause: str | None = None,
        since: Any = None,
        until: Any = None,
        limit: int = 50,
        cursor: str | None = None,
        without: str | None = None,
    ) -> Page[dict[str, Any]]:
        """The lines that match, newest first; `without` those of an action."""
        query = select(AuditRow).order_by(col(AuditRow.id).desc()).limit(limit + 1)
        for column, wanted in (
            (AuditRow.actor, actor),
            (AuditRow.action, action),
            (AuditRow.target, target),
            (AuditRow.cause, cause),
        ):
            if wanted:
                query = query.where(column == key(wanted))
        if without:
            query = query.where(AuditRow.action != key(without))
        if (start := seconds(since)) is not None:
            query = query.where(AuditRow.at >= start)
        if (end := seconds(until)) is not None:
            query = query.where(AuditRow.at < end)
        if cursor:
            query = query.where(col(AuditRow.id) < read_cursor(cursor, int)[0])
        with self._database.read() as session:
            return paged(session.exec(query).all(), limit, lambda row: (row.id,), _show)

    def together(self, causes: Iterable[str | None]) -> set[str]:
        """Those of these causes that have more than one line."""
        asked = {cause for cause in causes if cause}
        query = (
            select(AuditRow.cause)
            .where(col(AuditRow.cause).in_(asked))
            .group_by(col(AuditRow.cause))
            .having(func.count() > 1)
        )
        with self._database.read() as session:
            return {cause for cause in session.exec(query) if cause} if asked else set()

    def all(self, **filters: Any) -> Iterator[dict[str, Any]]:
        """Everything that `find` would list, newest first, read a page at a time."""
        cursor = None
        while True:
            page = self.find(**filters, limit=EXPORT_PAGE, cursor=cursor)
            yield from page.items
            if page.next is None:
                return
            cursor = page.next


def _show(row: AuditRow) -> dict[str, Any]:
    shown = row.model_dump()
    return {**shown, "at": iso(row.at)}
