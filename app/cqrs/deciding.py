"""Deciding anew, where somebody else appended first.

What a command has read is what it expects when it appends. Of several that are carried out at
once for one aggregate all but one find it changed: nothing of theirs is written, and each is
decided again in a fresh transaction, on what is there then. One that expects the same again
hasn't read it: the client gave that version, and is told who won.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from app.errors import Unavailable
from app.store.eventstore.recorded import VersionConflict

TRIES = 10
"""Each lost one means that another command was done: so many at once for one aggregate are all done."""

Result = TypeVar("Result")


def again(decide: Callable[[], Result]) -> Result:
    """What `decide` returns, which makes its own transaction.

    Raises `VersionConflict` where the version is the client's own, and `Unavailable` where
    others were faster each time: it may work the next time.
    """
    lost: VersionConflict | None = None
    for _ in range(TRIES):
        try:
            return decide()
        except VersionConflict as conflict:
            if lost and (conflict.stream, conflict.expected) == (lost.stream, lost.expected):
                raise
            lost = conflict
    assert lost is not None
    raise Unavailable(
        f"{lost.stream} was changed by others {TRIES} times while this was decided. Nothing was"
        " done; try again."
    ) from lost
