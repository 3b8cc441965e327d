"""What is still to be written for long replays, in steps of which none holds others up for long.

The list of a long replay is frozen when it starts, as the ids of its dead letters or as a moment of
the archive, in one row here; its items are written later, some at a time (`prepare`), before anything
is sent. What a long replay gives back when it is cancelled goes the same way (`return`). Each step
is one transaction that also says how far it came, so that a crash between two of them loses nothing
and does nothing twice. The row is gone when the work is done.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlmodel import Field, Session, SQLModel, col, select

from app.clock import Clock, SystemClock
from app.errors import Conflict
from app.store.bulk import Bulk
from app.store.columns import JsonText, Key, LongText, Moment
from app.store.database import Database
from app.store.failure_groups import LOCK
from app.store.replay_items import (
    INSERT,
    ReplayRow,
    begin_sending,
    item_row,
    park_again,
    take_parked,
)

PREPARE, RETURN = "prepare", "return"
STEP = 1000
"""Items of one transaction."""


_ANY = (
    "SELECT CASE WHEN EXISTS (SELECT 1 FROM replay_work)"
    " OR EXISTS (SELECT 1 FROM replays WHERE state IN ('canary', 'running')) THEN 1 ELSE 0 END"
)


class ReplayWorkRow(SQLModel, table=True):
    """`place` is where the next step begins: in the list of `letters`, or in the archive."""

    __tablename__ = "replay_work"

    replay_id: str = Field(primary_key=True, sa_type=Key)
    what: str = Field(sa_type=Key)
    frozen: float = Field(sa_type=Moment)
    written: int = 0
    place: str | None = Field(default=None, sa_type=LongText)
    letters: list[str] | None = Field(default=None, nullable=True, sa_type=JsonText)


@dataclass(frozen=True)
class Work:
    """One replay's, as whoever does it needs to know it."""

    replay: str
    what: str
    frozen: float
    place: str | None
    selection: Mapping[str, Any]
    options: Mapping[str, Any]


class ReplayWork:
    def __init__(self, database: Database, clock: Clock | None = None):
        self._database = database
        self._clock = clock or SystemClock()

    def begin(
        self,
        id: str,
        letters: Sequence[str] | None,
        *,
        selection: Mapping[str, Any],
        options: Mapping[str, Any],
        actor: str,
    ) -> None:
        """Freeze a list: these dead letters, or (None) what the archive holds now.

        Raises `Conflict` where some of them are in another list that is being written.
        """
        now = self._clock.now()
        with self._database.session() as session:
            Bulk(session).lock(LOCK)
            refuse_shared(session, letters or ())
            session.add(
                ReplayRow(
                    id=id, state="preparing", total=len(letters or ()), selection=dict(selection),
                    options=dict(options), reason=str(options.get("reason") or ""),
                    created_by=actor, created=now,
                )
            )  # fmt: skip
            wanted = None if letters is None else list(letters)
            session.add(ReplayWorkRow(replay_id=id, what=PREPARE, frozen=now, letters=wanted))

    def is_any(self) -> bool:
        """Whether a replay is sending, or has something to be written: asked every second."""
        (found,) = self._database.glance(_ANY)
        return bool(found[0])

    def all(self) -> list[Work]:
        """What there is to do, the oldest first."""
        row, replay = ReplayWorkRow, ReplayRow
        columns: Any = (
            row.replay_id, row.what, row.frozen, row.place, replay.selection, replay.options,
        )  # fmt: skip
        query = (
            select(*columns)
            .join(ReplayRow, col(replay.id) == col(row.replay_id))
            .order_by(col(row.frozen))
        )
        with self._database.read() as session:
            return [Work(*found) for found in session.exec(query)]

    def letters(self, id: str, start: int, count: int) -> list[str]:
        """Some of the frozen list, from this place on; empty behind its end."""
        query = select(ReplayWorkRow.letters).where(ReplayWorkRow.replay_id == id)
        with self._database.read() as session:
            return list(session.exec(query).first() or ())[start : start + count]

    def add(self, id: str, items: Sequence[Mapping[str, Any]], place: str | None) -> bool:
        """Write the next items of the list; False where the replay isn't being prepared any more.

        Of dead letters only those that are parked still: what was put away meanwhile stays so.
        """
        with self._database.session() as session:
            bulk = Bulk(session)
            bulk.lock(LOCK)
            work = _preparing(session, id)
            if work is None:
                return False
            letters = [item["dead_letter"] for item in items if item.get("dead_letter")]
            taken = {None, *take_parked(bulk, letters, id, self._clock.now())}
            kept = [item for item in items if item.get("dead_letter") in taken]
            rows = [item_row(id, work.written + n, item) for n, item in enumerate(kept)]
            bulk.many(INSERT, rows)
            work.written, work.place = work.written + len(rows), place
            session.add(work)
        return True

    def ready(self, id: str, approve_above: int | None) -> None:
        """The list is whole: it may be sent, or is over where nothing of it was left."""
        with self._database.session() as session:
            work = _preparing(session, id)
            if work is None:
                return
            row = session.get_one(ReplayRow, id)
            begin_sending(row, work.written, approve_above)
            if not work.written:
                row.state, row.ended = "cancelled", self._clock.now()
                row.stopped = "nothing of it is parked any more"
            session.add(row)
            session.delete(work)

    def give_back(self, id: str) -> bool:
        """Park again some of what a replay that was ended had not sent; whether there is more."""
        with self._database.session() as session:
            Bulk(session).lock(LOCK)
            return give_back(session, id, self._clock.now())


def give_back(session: Session, id: str, now: float) -> bool:
    """The same in the transaction of a caller, who holds the lock: the rest is work."""
    more = park_again(Bulk(session), id, now, STEP) == STEP
    work = session.get(ReplayWorkRow, id)
    if more:
        work = work or ReplayWorkRow(replay_id=id, what=RETURN, frozen=now)
        work.what, work.letters, work.place = RETURN, None, None
        session.add(work)
    elif work is not None:
        session.delete(work)
    return more


def _preparing(session: Session, id: str) -> ReplayWorkRow | None:
    row = session.get(ReplayRow, id, with_for_update=True)
    if row is None or row.state != "preparing":
        return None
    return session.get(ReplayWorkRow, id, populate_existing=True)


def refuse_shared(session: Session, letters: Sequence[str]) -> None:
    """Raises `Conflict` where some of these letters are in a list that is being written."""
    wanted = set(letters)
    query = select(ReplayWorkRow.replay_id, ReplayWorkRow.letters)
    for id, listed in session.exec(query.where(ReplayWorkRow.what == PREPARE)):
        if shared := len(wanted.intersection(listed or ())):
            raise Conflict(
                f"{shared} of the dead letters are being replayed already, by {id}, which is being"
                " prepared: look at that, or choose again."
            )
