"""A build takes the place of the live one, in one transaction: readers see the old rows or the new ones.

What was reached stays reached: where the live one is further by then, it stays. Of two processes that
switch at once one finds that the other has.
"""

from __future__ import annotations

from typing import Any

from sqlmodel import Session, SQLModel

from app.cqrs import builds, removing, tables
from app.cqrs.declaration import Declared
from app.store import followers
from app.store.followers import BUILDING, LIVE, FollowerRow


def take_place(
    session: Session, seen: FollowerRow, declared: Declared, built: dict[type[SQLModel], Any], now: float
) -> list[str] | None:  # fmt: skip
    """The tables that were dropped and have no new ones; None where nothing was done.

    Raises `Refused` where the tables are another projection's, or others refer to them.
    """
    rows = [
        followers.locked(session, row.name, row.build)
        for row in followers.builds(session, seen.name)
    ]
    mine = next((row for row in rows if row and row.build == seen.build), None)
    if mine is None or mine.position != seen.position or mine.state != BUILDING:
        return None
    replaced = [row for row in rows if row and row.state == LIVE]
    if mine.paused or any(row.position > mine.position for row in replaced):
        return None
    mine.paused = any(row.paused for row in replaced)
    removing.check_free(session, builds.table_names(declared), seen.name)
    live = tables.own(declared.tables)
    tables.make(session.connection(), list(built.values()))
    had = [name for row in replaced for name in row.tables or ()]
    left = builds.left_behind(session, had, declared)
    tables.switch(session.connection(), [(live[one], built[one]) for one in live], left)
    for row in rows:
        if row and row.build != mine.build:
            builds.leave(session, row)
    mine.state, mine.updated = LIVE, now
    session.add(mine)
    return left
