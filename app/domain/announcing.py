"""Telling those who watch that rows have changed, once they can be read."""

from __future__ import annotations

from typing import Protocol

import redis
import structlog
from sqlmodel import Session

from app.store.after_commit import once_committed


class Announcer(Protocol):
    def announce(self, *what: str) -> None: ...


def announce_after(session: Session, announcer: Announcer | None, what: str) -> None:
    """Announce when the session's transaction is committed; once, and not for a rollback."""
    if announcer is None:
        return

    def announce() -> None:
        try:
            announcer.announce(what)
        except redis.RedisError as error:
            # Only a hint, and the rows are committed: pages look by themselves now and then.
            structlog.get_logger(__name__).warning(
                "change not announced", what=what, error=str(error)
            )

    once_committed(session, f"changed {what}", announce)
