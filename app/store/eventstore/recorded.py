"""What the store gives out: an event with its place, what an append did, and who won a conflict."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from app.errors import Conflict
from app.events.event import Event
from app.store.moments import iso


class Recorded(msgspec.Struct, frozen=True, gc=False):
    """An event where it stands: `version` in its stream, `position` among all.

    `recorded` is when it was appended, in seconds since 1970; `actor` who did so.
    """

    stream: str
    version: int
    position: int
    event: Event
    recorded: float
    actor: str | None = None

    @property
    def type(self) -> str:
        return self.event.type

    @property
    def data(self) -> Any:
        return self.event.data


class Appended(NamedTuple):
    """The stream's new version, and the global position of its newest event."""

    version: int
    position: int


class Winner(NamedTuple):
    """The newest event of a stream that had another version than was expected."""

    type: str | None
    actor: str | None
    at: float | None


class VersionConflict(Conflict):
    """Somebody appended to the stream first. Nothing was written: read it again and decide anew."""

    def __init__(self, stream: str, expected: int, actual: int, winner: Winner):
        self.stream = stream
        self.expected = expected
        self.actual = actual
        self.winner = winner
        super().__init__(
            f"{stream} is at version {actual}, not {expected}: {_who(winner)}. Nothing was "
            "appended; read it again, and decide on what is there now."
        )


def _who(winner: Winner) -> str:
    if winner.type is None:
        return "it has no events"
    return f"{winner.actor or 'somebody'} appended {winner.type} at {iso(winner.at)}"
