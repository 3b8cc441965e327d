"""Sessions of people: who is signed in from where, so that one can be ended by itself.

The cookie names a session by a random id; it counts only while its row is
here and was not revoked. A row that was not used for `LIFETIME` is over.
"""

from __future__ import annotations

import secrets
from typing import Any

from sqlalchemy import delete
from sqlmodel import Field, SQLModel, col, select

from app.clock import Clock, SystemClock
from app.errors import NotFound
from app.store.columns import Key, LongText, Moment, clean, key
from app.store.database import Database
from app.store.moments import iso

LIFETIME = 12 * 3600.0
USE_NOTED_EVERY = 60.0  # seconds; else every page would be a write
KEPT = 30 * 86_400.0


class SessionRow(SQLModel, table=True):
    __tablename__ = "sessions"

    id: str = Field(primary_key=True, sa_type=Key)
    user: str = Field(index=True, sa_type=Key)
    begun: float = Field(sa_type=Moment)
    used: float = Field(index=True, sa_type=Moment)
    address: str = Field(sa_type=Key)
    agent: str = Field(sa_type=LongText)
    revoked: float | None = Field(default=None, sa_type=Moment)
    revoked_by: str | None = Field(default=None, sa_type=Key)


class Sessions:
    def __init__(self, database: Database, clock: Clock | None = None):
        self._database = database
        self._clock = clock or SystemClock()

    def begin(self, user: str, address: str, agent: str) -> str:
        """A new session's id. Forgets those that were over long ago."""
        now = self._clock.now()
        id = secrets.token_urlsafe(16)
        with self._database.session() as session:
            session.execute(delete(SessionRow).where(col(SessionRow.used) < now - KEPT))
            session.add(
                SessionRow(
                    id=id,
                    user=key(user),
                    begun=now,
                    used=now,
                    address=key(address),
                    agent=clean(agent)[:300],
                )
            )
        return id

    def holds(self, id: str, user: str) -> bool:
        """Whether this is a session of theirs that goes on. Notes the use."""
        now = self._clock.now()
        with self._database.read() as session:
            row = session.get(SessionRow, id)
        if row is None or row.user != key(user) or row.revoked or now - row.used > LIFETIME:
            return False
        if now - row.used > USE_NOTED_EVERY:
            with self._database.session() as session:
                again = session.get(SessionRow, id, with_for_update=True)
                if again is not None:
                    again.used = now
                    session.add(again)
        return True

    def find(self, user: str | None = None) -> list[dict[str, Any]]:
        """The sessions that go on, of one user or of all, the last used first."""
        query = select(SessionRow).where(
            col(SessionRow.revoked).is_(None),
            col(SessionRow.used) > self._clock.now() - LIFETIME,
        )
        if user is not None:
            query = query.where(SessionRow.user == key(user))
        with self._database.read() as session:
            rows = session.exec(query.order_by(col(SessionRow.used).desc()).limit(500)).all()
        return [_show(row) for row in rows]

    def revoke(self, id: str, by: str, user: str | None = None) -> dict[str, Any]:
        """End one; with `user`, only where it is theirs. Doing it twice is no error. Raises `NotFound`."""
        with self._database.session() as session:
            row = session.get(SessionRow, id, with_for_update=True)
            if row is None or (user is not None and row.user != key(user)):
                raise NotFound(f"There is no session {id!r} that you may end.")
            if row.revoked is None:
                row.revoked, row.revoked_by = self._clock.now(), key(by)
                session.add(row)
            return _show(row)


def _show(row: SessionRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "user": row.user,
        "begun": iso(row.begun),
        "used": iso(row.used),
        "address": row.address,
        "agent": row.agent,
    }
