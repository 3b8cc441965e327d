"""What stopped a build, as data: an event, code that is older than it, or something else that a text says. Pure."""

from __future__ import annotations

from typing import Any

from app.errors import NewerData
from app.store.eventstore.recorded import Recorded
from app.store.followers import FollowerRow

OLDER = "older"


def by_event(row: FollowerRow, recorded: Recorded, error: str) -> None:
    """Its function failed on this event; an operator may `skip` it."""
    row.problem, row.stopped_by = error, _of(recorded)


def by_older_build(row: FollowerRow, problem: str) -> None:
    """The code that runs is older than the build: newer code goes on by itself."""
    row.problem, row.stopped_by = problem, {OLDER: True}


def by_newer_data(row: FollowerRow, recorded: Recorded, newer: NewerData) -> None:
    """The code that runs is older than this event's data: newer code goes on by itself.

    After a rollback for good nobody has that: then an operator may `skip` it.
    """
    row.problem = str(newer)
    row.stopped_by = {OLDER: True, "version": newer.version, "known": newer.known, **_of(recorded)}


def otherwise(row: FollowerRow, problem: str) -> None:
    """No event is at fault; `resume` tries it again."""
    row.problem, row.stopped_by = problem, None


def no_more(row: FollowerRow) -> None:
    row.problem = row.stopped_by = None


def is_by_older_code(row: FollowerRow) -> bool:
    return bool(row.problem and row.stopped_by and row.stopped_by.get(OLDER))


def needs(row: FollowerRow) -> tuple[str, int] | None:
    """The type and the version of the data that code was too old for; None where no data was."""
    by = row.stopped_by
    return (by["type"], by["version"]) if is_by_older_code(row) and "version" in by else None


def knows(row: FollowerRow) -> int | None:
    """The version of that type that the code knows which was too old."""
    needed = needs(row)
    return row.stopped_by.get("known", needed[1] - 1) if needed else None


def event_of(row: FollowerRow) -> dict[str, Any] | None:
    """`{"position", "type", "event", "error"}` of the event that stopped it; None where none did."""
    by = row.stopped_by
    if not (row.problem and by and "position" in by):
        return None
    return {**{name: by[name] for name in ("position", "type", "event")}, "error": row.problem}


def sentence(row: FollowerRow) -> str | None:
    """What stopped it, whole: of an event its position, its type and its id come first."""
    by = event_of(row)
    return row.problem if by is None else "{position} {type} {event}: {error}".format(**by)


def place(row: FollowerRow) -> str:
    """What stopped it, of an event its place and its type only: an error may hold people's data."""
    by = event_of(row)
    if by is None:
        return str(row.problem)
    what = "is older than" if is_by_older_code(row) else "fails on"
    return f"Its code {what} {by['type']} at the position {by['position']}."


def _of(recorded: Recorded) -> dict[str, Any]:
    event = recorded.event
    return {"position": recorded.position, "type": event.type, "event": event.id}
