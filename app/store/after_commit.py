"""What is told when a transaction is committed: hints to those who look by themselves as well."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import event
from sqlmodel import Session

_TOLD = "told once committed"


def once_committed(session: Session, what: str, tell: Callable[[], None]) -> None:
    """Call once when the session's transaction is committed, however often `what` is asked for before.

    Never where it is rolled back, also when the session goes on with another one.
    """
    if _TOLD not in session.info:
        session.info[_TOLD] = {}
        event.listen(session, "after_commit", _tell)
        event.listen(session, "after_rollback", _forget)
    session.info[_TOLD].setdefault(what, tell)


def _tell(session: Session) -> None:
    """At the end of a savepoint, too, when nobody sees anything yet: then not."""
    if session.in_nested_transaction():
        return
    waiting, session.info[_TOLD] = session.info[_TOLD], {}
    for tell in waiting.values():
        tell()


def _forget(session: Session) -> None:
    """Of a savepoint what was asked for is kept: it is but a hint, and others may have asked for it, too."""
    if not session.in_nested_transaction():
        session.info[_TOLD] = {}
