"""A projection or reactor that was renamed or taken out of the code: its row and its tables go.

What a new name keeps is left to it: until the old one is removed, the new one's tables are built
beside those, so that no row is counted twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlmodel import Session

from app.cqrs import builds, stopping, tables
from app.errors import Conflict, Refused
from app.store import followers
from app.store.followers import BUILDING, FollowerRow


def check_gone(workers: Iterable[dict[str, Any]], name: str) -> None:
    """Raises `Conflict` where a live worker's code still has it: that would begin it anew."""
    still = [one["id"] for one in workers if one["alive"] and name in one.get("follows", ())]
    if still:
        raise Conflict(
            f"The code of {name} is still there, in {', '.join(still)}, which would begin it anew. "
            "Take it out, deploy that, and remove it then."
        )


def check_there(workers: Iterable[dict[str, Any]], name: str) -> None:
    """Raises `Conflict` where workers are alive and none's code has it: nothing would fill its tables."""
    alive = [one for one in workers if one["alive"]]
    if alive and not any(name in one.get("follows", (name,)) for one in alive):
        raise Conflict(
            f"No live worker has the code of {name}, so nothing would fill its tables, and they stay as they are. "
            "Start a worker whose PENSTOCK_HANDLERS name its module; where it was renamed or taken out, remove it: "
            f"`python -m app projections remove {name}`."
        )


def declared(workers: Iterable[dict[str, Any]]) -> set[str] | None:
    """What the live workers' code has; None where no worker is alive, so nobody can tell."""
    alive = [one for one in workers if one["alive"]]
    return {name for one in alive for name in one.get("follows", ())} if alive else None


def check_free(session: Session, names: Sequence[str], name: str) -> None:
    """Raises `Refused` where the tables are those of another projection."""
    others = sorted({row.name for row in builds.keepers(session, names, name)})
    if others:
        old = " and ".join(others)
        raise Refused(
            f"Its tables {', '.join(names)} are those of {old}. Where that is what {name} was called before: remove "
            f"{old} when no worker has its code any more (on its page, or `python -m app projections remove "
            f"{others[0]}`), and {name}, which is ready beside it, takes its place. Else give {name} tables of its own."
        )


def remove(session: Session, rows: Sequence[FollowerRow]) -> list[str]:
    """Forget all builds of one; the tables that were dropped: those that nobody else keeps."""
    name, own = rows[0].name, sorted({table for row in rows for table in row.tables or ()})
    for row in rows:
        builds.leave(session, row)
    session.flush()
    heirs = builds.keepers(session, own, name)
    left = {table for heir in heirs for table in heir.tables}
    dropped = [table for table in own if table not in left]
    tables.drop(session.connection(), dropped)
    for heir in heirs:
        waiting = followers.locked(session, heir.name, heir.build)
        if waiting and waiting.state == BUILDING and not waiting.stopped_by:
            stopping.no_more(waiting)  # it waited for this
            session.add(waiting)
    return dropped
