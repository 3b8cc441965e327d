"""Dead letters as people see them: a list, one of them, and groups of the same failure.

Parked ones are shown unless another state is asked for (`state=None`: all).
The projection writes them; here they change state only by a person's hand.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Integer, cast, func
from sqlmodel import col, select

from app.clock import Clock, SystemClock
from app.store.columns import key
from app.store.database import Database
from app.store.deliveries import DeadLetter
from app.store.like import any_has
from app.store.moments import iso, seconds
from app.store.page import Page, paged, read_cursor

BARS = 24
STATES = ("parked", "replaying", "replayed", "discarded")


class DeadLetters:
    def __init__(self, database: Database, clock: Clock | None = None):
        self._database = database
        self._clock = clock or SystemClock()

    def find(
        self,
        subscription: str | None = None,
        type: str | None = None,
        group: str | None = None,
        since: Any = None,
        until: Any = None,
        q: str | None = None,
        state: str | None = "parked",
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page[dict[str, Any]]:
        """Dead letters, newest first by the time they were parked."""
        newest = col(DeadLetter.parked).desc(), col(DeadLetter.id).desc()
        query = select(DeadLetter).order_by(*newest).limit(limit + 1)
        query = query.where(*_wanted(subscription, type, group, since, until, q, state))
        if cursor:
            at, id = read_cursor(cursor, float, str)
            older = (col(DeadLetter.parked) == at) & (col(DeadLetter.id) < id)
            query = query.where((col(DeadLetter.parked) < at) | older)
        with self._database.read() as session:
            rows = session.exec(query).all()
        return paged(rows, limit, lambda row: (row.parked, row.id), _show)

    def of_run(self, correlationid: str, limit: int = 200) -> list[dict[str, Any]]:
        """What a run left parked, in whatever state it is now."""
        query = select(DeadLetter).where(DeadLetter.correlationid == key(correlationid))
        with self._database.read() as session:
            return [_show(row) for row in session.exec(query.limit(limit))]

    def get(self, id: str) -> dict[str, Any] | None:
        with self._database.read() as session:
            row = session.get(DeadLetter, id)
        return _show(row) if row else None

    def ids(self, **wanted: Any) -> list[str]:
        """The ids of all that `find`'s arguments select, oldest first: to freeze a list."""
        query = select(DeadLetter.id).where(*_wanted(**wanted))
        oldest = col(DeadLetter.parked), col(DeadLetter.id)
        with self._database.read() as session:
            return list(session.exec(query.order_by(*oldest)))

    def count(self, **wanted: Any) -> int:
        """How many there are of those that `find`'s arguments select."""
        query = select(func.count()).select_from(DeadLetter).where(*_wanted(**wanted))
        with self._database.read() as session:
            return session.exec(query).one()

    def parked(self) -> dict[str, int]:
        """How many are parked, by subscription."""
        query = select(DeadLetter.subscription, func.count()).where(DeadLetter.state == "parked")
        with self._database.read() as session:
            return dict(session.exec(query.group_by(DeadLetter.subscription)).all())

    def many(self, ids: Sequence[str]) -> Iterator[dict[str, Any]]:
        """Those of these ids that exist, in their order."""
        for start in range(0, len(ids), 500):
            chunk = list(ids[start : start + 500])
            query = select(DeadLetter).where(col(DeadLetter.id).in_(chunk))
            with self._database.read() as session:
                found = {row.id: row for row in session.exec(query)}
            yield from (_show(found[id]) for id in chunk if id in found)

    def groups(
        self,
        subscription: str | None = None,
        type: str | None = None,
        since: Any = None,
        until: Any = None,
        q: str | None = None,
        state: str | None = "parked",
    ) -> list[dict[str, Any]]:
        """Failures of the same cause, the largest first.

        `error` is the last one in full, `bars` counts them over their time.
        """
        wanted = _wanted(subscription, type, None, since, until, q, state)
        count = func.count().label("count")
        chosen: Any = select  # its types stop at four columns
        query = (
            chosen(
                DeadLetter.group_id,
                count,
                func.min(DeadLetter.parked),
                func.max(DeadLetter.parked),
                func.max(DeadLetter.id),
            )
            .where(*wanted)
            .group_by(DeadLetter.group_id)
            .order_by(count.desc(), DeadLetter.group_id)
        )
        with self._database.read() as session:
            found = session.execute(query).all()
            if not found:
                return []
            first, last = min(row[2] for row in found), max(row[3] for row in found)
            bar = self._bar(first, last)
            query = chosen(DeadLetter.group_id, bar, func.count()).where(*wanted)
            rows = session.execute(query.group_by(DeadLetter.group_id, bar)).all()
            examples = select(DeadLetter).where(col(DeadLetter.id).in_([row[4] for row in found]))
            told = {row.id: row for row in session.exec(examples)}
        bars: dict[str, list[int]] = defaultdict(lambda: [0] * BARS)
        for group, number, counted in rows:
            bars[group][min(int(number), BARS - 1)] += counted
        return [
            {
                "id": group,
                "title": told[example].title,
                "error": told[example].attempts[-1]["error"],
                "frame": told[example].frame,
                "subscription": told[example].subscription,
                "type": told[example].type,
                "reason": told[example].reason,
                "count": number,
                "first": iso(earliest),
                "last": iso(latest),
                "bars": bars[group],
            }
            for group, number, earliest, latest, example in found
        ]

    def _bar(self, first: float, last: float) -> ColumnElement[int]:
        """Which bar a letter belongs to, from 0; the last moment makes one more."""
        place = (col(DeadLetter.parked) - first) / (max(last - first, 1e-6) / BARS)
        # A cast cuts on SQLite and rounds on PostgreSQL; SQLite need not have floor().
        return cast(place if self._database.on_sqlite else func.floor(place), Integer)

    def discard(self, ids: Iterable[str], actor: str, reason: str = "") -> int:
        """Put away what is parked; how many were. What is being replayed stays."""
        wanted = list(ids)
        discarded = 0
        with self._database.session() as session:
            for start in range(0, len(wanted), 500):
                query = (
                    select(DeadLetter)
                    .where(col(DeadLetter.id).in_(wanted[start : start + 500]))
                    .where(DeadLetter.state == "parked")
                    .order_by(col(DeadLetter.id))
                    .with_for_update()
                )
                for row in session.exec(query):
                    row.state, row.closed_by, row.closed_reason = "discarded", actor, reason
                    row.closed = self._clock.now()
                    session.add(row)
                    discarded += 1
        return discarded


def last_error(row: DeadLetter) -> str:
    """What its last attempt said, in full: the title leaves out what differs between members."""
    return str(row.attempts[-1]["error"]) if row.attempts else row.title


def _wanted(
    subscription: str | None = None,
    type: str | None = None,
    group: str | None = None,
    since: Any = None,
    until: Any = None,
    q: str | None = None,
    state: str | None = "parked",
) -> list[ColumnElement[bool]]:
    conditions: list[Any] = []
    for column, value in (
        (DeadLetter.subscription, subscription),
        (DeadLetter.type, type),
        (DeadLetter.group_id, group),
        (DeadLetter.state, state),
    ):
        if value:
            conditions.append(col(column) == key(value))
    if (start := seconds(since)) is not None:
        conditions.append(col(DeadLetter.parked) >= start)
    if (end := seconds(until)) is not None:
        conditions.append(col(DeadLetter.parked) < end)
    if q:
        texts = DeadLetter.title, DeadLetter.event, DeadLetter.attempts, DeadLetter.id
        conditions.append(any_has(q, *texts))
    return conditions


def _show(row: DeadLetter) -> dict[str, Any]:
    return {
        "id": row.id,
        "event": row.event,
        "type": row.type,
        "subscription": row.subscription,
        "correlationid": row.correlationid,
        "reason": row.reason,
        "parked": iso(row.parked),
        "first_parked": iso(row.first_parked),
        "attempts": [{**attempt, "at": iso(attempt["at"])} for attempt in row.attempts],
        "group": row.group_id,
        "title": row.title,
        "frame": row.frame,
        "state": row.state,
        "generation": row.generation,
        "replay": row.replay,
        "closed": iso(row.closed),
        "closed_by": row.closed_by,
        "closed_reason": row.closed_reason,
    }
