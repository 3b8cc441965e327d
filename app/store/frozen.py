"""What a process holds when it is frozen in a transaction: let go of by PostgreSQL after a while.

A machine that was paused, or cut off from the network, is not dead: its connection stands, and so do the
locks of its open transaction. Where all others need these (who the relay is, how far a projection has come)
nothing would go on until it is back. Whoever locks such a row bounds its transaction, which ends where
no statement came for so long; when the process goes on, it finds its connection ended and tries again.

SQLite needs no such thing: who holds the file's lock is on this machine, and every turn there is short.
"""

from __future__ import annotations

from sqlalchemy import text
from sqlmodel import Session

SECONDS = 60.0
"""More than any of these transactions computes between two statements."""


def bound(session: Session) -> None:
    """Have the server end this transaction where its process goes silent in it."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(
            text("SELECT set_config('idle_in_transaction_session_timeout', :milliseconds, true)"),
            {"milliseconds": str(round(1000 * SECONDS))},
        )
