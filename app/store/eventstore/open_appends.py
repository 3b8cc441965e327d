"""Which streams this thread's open transactions have appended to, so that it never waits for itself.

PostgreSQL lets a second append to such a stream wait until the first transaction ends. In the thread
that has it open, that is for ever, and no server can see it.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterable

from sqlmodel import Session

from app.errors import Refused
from app.store.database import Database

_STREAMS = "appended_to"
_HERE = threading.local()


class OpenAppends:
    """Of one database, by whatever event store; a thread sees only its own."""

    def __init__(self, database: Database):
        self._database = database

    def note(self, session: Session, streams: Iterable[str]) -> None:
        """This session's transaction holds these streams until it ends."""
        _HERE.__dict__.setdefault("sessions", weakref.WeakSet()).add(session)
        held = self._held(session)
        session.info[_STREAMS] = self._database, session.get_transaction(), held | set(streams)

    def check(self, streams: Iterable[str], mine: Session | None = None) -> None:
        """Raises `Refused` where an append would wait for a transaction that is open here, and isn't `mine`."""
        wanted = set(streams)
        for session in list(_HERE.__dict__.get("sessions", ())):
            for stream in self._held(session) & wanted if session is not mine else ():
                raise Refused(
                    f"This thread holds an open transaction that appended to {stream}: another append "
                    "would wait for it for ever. Take part in it (`session=`; in a handler "
                    "`session=ctx.session`), or end it first."
                )

    def _held(self, session: Session) -> set[str]:
        database, transaction, streams = session.info.get(_STREAMS, (None, None, set()))
        is_open = transaction is not None and transaction is session.get_transaction()
        return streams if is_open and database is self._database else set()
