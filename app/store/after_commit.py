"""What is told when a transaction is committed, and never of what was rolled back.

Hints to those who look by themselves as well, and how far the appends of whoever asked for them came.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import event
from sqlalchemy.orm import SessionTransaction
from sqlmodel import Session

_TOLD = "told once committed"


def once_committed(session: Session, what: str, tell: Callable[[], None]) -> None:
    """Call once when the session's transaction is committed, however often `what` is asked for before.

    Never where that, or the savepoint in which it was asked for, is rolled back, also when the session
    goes on with another one.
    """
    if _TOLD not in session.info:
        session.info[_TOLD] = {}
        event.listen(session, "after_commit", _tell)
        event.listen(session, "after_soft_rollback", _forget)
        event.listen(session, "after_transaction_end", _forget_all)
    session.info[_TOLD].setdefault((session.get_nested_transaction(), what), tell)


def _tell(session: Session) -> None:
    """At the end of a savepoint, too, when nobody sees anything yet: then not."""
    if session.in_nested_transaction():
        return
    waiting, session.info[_TOLD] = session.info[_TOLD], {}
    for tell in {what: tell for (_, what), tell in waiting.items()}.values():
        tell()


def _forget(session: Session, ended: SessionTransaction) -> None:
    """Of a savepoint, what was asked for since it began."""
    if ended.nested:
        waiting = session.info[_TOLD]
        session.info[_TOLD] = {
            asked: tell for asked, tell in waiting.items() if not _is_within(asked[0], ended)
        }


def _forget_all(session: Session, ended: SessionTransaction) -> None:
    if ended.parent is None:
        session.info[_TOLD] = {}


def _is_within(savepoint: SessionTransaction | None, ended: SessionTransaction) -> bool:
    while savepoint is not None and savepoint is not ended:
        savepoint = savepoint.parent
    return savepoint is not None
