"""A session in an author's hands: it writes and reads, and its transaction is ended by who lent it.

With it goes what has to hold together with the author's rows: the mark of a delivery, a command's answer, a
projection's position. A `commit()` in the middle, as one is used to write it, would part them: after a
failure the rows would stay, and come again with the next try.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from sqlmodel import Session

from app.errors import PenstockError


class NotYours(PenstockError):
    """An author's code wants to end a transaction that isn't its own."""


def lend(session: Session) -> None:
    """From now on nobody ends its transaction, until it is given back. A projection does it for each event."""
    session.__dict__.update(_REFUSED)


def give_back(session: Session) -> None:
    held = session.__dict__
    for name in _REFUSED:
        held.pop(name, None)


@contextmanager
def lent(session: Session) -> Iterator[None]:
    """For as long as the block lasts."""
    lend(session)
    try:
        yield
    finally:
        give_back(session)


def _refuse(*_: object, **__: object) -> NoReturn:
    raise NotYours(
        "This session is committed for you, in one step with what you return: leave commit(), rollback(), "
        "close() and reset() out. flush() sends what you wrote; to undo a part of it, write that "
        "`with session.begin_nested():`."
    )


_REFUSED = dict.fromkeys(("commit", "rollback", "close", "reset", "invalidate", "prepare"), _refuse)
