"""Dead letters as people see them: a list, and one of them. Groups of them are in grouped.py.

Parked ones are shown unless another state is asked for (`state=None`: all).
The projection writes them; here they change state only by a person's hand.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, func, or_
from sqlmodel import Session, col, select

from app.clock import Clock, SystemClock
from app.errors import Conflict, NotFound
from app.store.beginnings import beginning
from app.store.bulk import Bulk
from app.store.columns import clean, key
from app.store.database import Database
from app.store.deliveries import DeadLetter
from app.store.failure_groups import LOCK, FailureGroup, apply, arrived, moved
from app.store.like import any_has
from app.store.moments import iso, seconds
from app.store.page import Page, cursor_of, paged, read_cursor

SCAN = 500
"""Letters that one step of a search by text looks at: they are large."""
SCAN_SECONDS = 0.04
TOP = 1e300, ""
"""A place before the newest letter."""
SEARCHED = DeadLetter.title, DeadLetter.event, DeadLetter.attempts, DeadLetter.id
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
        """Dead letters, newest first by the time they were parked.

        `q` is a part of the title, the event, the attempts or the id, in any case; a search
        gives up after a while with a page that may be short or empty, and a cursor from where
        to go on. What has `q` as its own id, its event's or its run's comes first, at once.
        """
        wanted = wanted_by(subscription, type, group, since, until, None, state)
        if q:
            return self._search(wanted, q, limit, cursor)
        with self._database.read() as session:
            rows = session.exec(_older(select(DeadLetter).where(*wanted), cursor, limit + 1)).all()
        return paged(rows, limit, _place, _show)

    def _search(
        self, wanted: list[ColumnElement[bool]], q: str, limit: int, cursor: str | None
    ) -> Page[dict[str, Any]]:
        over = self._clock.monotonic() + SCAN_SECONDS
        with self._database.read() as session:
            exact = _named(session, wanted, q, limit)
            found = [] if cursor else exact
            if len(found) == limit:
                return Page([_show(row) for row in found], cursor_of(*TOP))
            wanted = [*wanted, col(DeadLetter.id).not_in([row.id for row in exact])]
            while True:
                places: Any = select(DeadLetter.parked, DeadLetter.id).where(*wanted)
                step = session.exec(_older(places, cursor, SCAN)).all()
                ids = [id for _, id in step]
                query = select(DeadLetter).where(col(DeadLetter.id).in_(ids), any_has(q, *SEARCHED))
                for row in session.exec(_older(query, None, limit + 1 - len(found))):
                    found.append(row)
                if len(found) > limit:
                    return paged(found, limit, _place, _show)
                cursor = cursor_of(*step[-1]) if len(step) == SCAN else None
                if cursor is None or self._clock.monotonic() > over:
                    return Page([_show(row) for row in found], cursor)

    def of_run(self, correlationid: str, limit: int = 200) -> list[dict[str, Any]]:
        """What a run left parked, in whatever state it is now."""
        query = select(DeadLetter).where(DeadLetter.correlationid == key(correlationid))
        with self._database.read() as session:
            return [_show(row) for row in session.exec(query.limit(limit))]

    def of_event(self, event_id: str) -> list[dict[str, Any]]:
        """What an event left parked, of whichever subscription and in whatever state it is now."""
        query = select(DeadLetter).where(DeadLetter.event_id == key(event_id))
        with self._database.read() as session:
            return [_show(row) for row in session.exec(query.limit(50))]

    def get(self, id: str) -> dict[str, Any] | None:
        with self._database.read() as session:
            row = session.get(DeadLetter, id)
        return _show(row) if row else None

    def beginning(self, id: str, limit: int) -> list[dict[str, Any]]:
        """What is known of the letters whose id begins so, without their events and errors."""
        names = ("id", "type", "subscription", "state")
        columns: Any = [getattr(DeadLetter, name) for name in (*names, "parked")]
        with self._database.read() as session:
            rows = beginning(session, select(*columns), DeadLetter.id, id, limit)
        return [dict(zip(names, row, strict=False)) | {"parked": iso(row[-1])} for row in rows]

    def ids(self, **wanted: Any) -> list[str]:
        """The ids of all that `find`'s arguments select, oldest first: to freeze a list."""
        query = select(DeadLetter.id).where(*wanted_by(**wanted))
        oldest = col(DeadLetter.parked), col(DeadLetter.id)
        with self._database.read() as session:
            return list(session.exec(query.order_by(*oldest)))

    def count(self, **wanted: Any) -> int:
        """How many there are of those that `find`'s arguments select."""
        query = select(func.count()).select_from(DeadLetter).where(*wanted_by(**wanted))
        with self._database.read() as session:
            return session.exec(query).one()

    def parked(self) -> dict[str, int]:
        """How many are parked, by subscription: from the groups' counters."""
        query = select(FailureGroup.subscription, func.sum(FailureGroup.parked)).where(
            col(FailureGroup.parked) > 0
        )
        with self._database.read() as session:
            found = session.exec(query.group_by(FailureGroup.subscription)).all()
        return {name: int(count) for name, count in found}

    def many(self, ids: Sequence[str]) -> Iterator[dict[str, Any]]:
        """Those of these ids that exist, in their order."""
        for start in range(0, len(ids), 500):
            chunk = list(ids[start : start + 500])
            query = select(DeadLetter).where(col(DeadLetter.id).in_(chunk))
            with self._database.read() as session:
                found = {row.id: row for row in session.exec(query)}
            yield from (_show(found[id]) for id in chunk if id in found)

    def named(self, ids: Sequence[str]) -> Iterator[dict[str, Any]]:
        """The same without attempts, and of the event only what it is known by."""
        names = ("id", "subscription", "state", "event_id", "event_source", "type", "edit")
        query = select(*[getattr(DeadLetter, name) for name in names])
        for start in range(0, len(ids), 500):
            chunk = list(ids[start : start + 500])
            with self._database.read() as session:
                rows = session.exec(query.where(col(DeadLetter.id).in_(chunk)))
                found = {row[0]: dict(zip(names, row, strict=True)) for row in rows}
            for row in (found[id] for id in chunk if id in found):
                event = {"id": row["event_id"], "source": row["event_source"], "type": row["type"]}
                yield {**row, "event": event, "edit": row["edit"] and {"patch": row["edit"]}}

    def discard(self, ids: Iterable[str], actor: str, reason: str = "") -> int:
        """Put away what is parked; how many were. What is being replayed stays."""
        wanted = sorted(set(ids))
        now = self._clock.now()
        discarded = 0
        with self._database.session() as session:
            bulk = Bulk(session)
            bulk.lock(LOCK)
            these = f"{bulk.any_of('id')} AND state = 'parked'"
            for start in range(0, len(wanted), 5000):
                chunk = bulk.listed(wanted[start : start + 5000])
                left = moved(bulk, these, chunk)
                discarded += bulk.run(
                    "UPDATE dead_letters SET state = 'discarded', closed_by = ?,"
                    f" closed_reason = ?, closed = ? WHERE {these}",
                    actor,
                    clean(reason),
                    now,
                    chunk,
                )
                apply(bulk, (), arrived(left, "discarded"), now, actor)
        return discarded

    def prepare(self, id: str, patch: Sequence[Mapping[str, Any]] | None, actor: str) -> None:
        """Keep an edit (a JSON Patch) for the letter's next replay; None takes it away.

        Raises `NotFound`, and `Conflict` where the letter is not parked.
        """
        with self._database.session() as session:
            row = session.get(DeadLetter, id, with_for_update=True)
            if row is None:
                raise NotFound(f"There is no dead letter {id!r}: the page Failures lists them.")
            if row.state != "parked":
                raise Conflict(f"Dead letter {id} is {row.state}: only what is parked is edited.")
            row.edit = None if patch is None else [dict(one) for one in patch]
            row.edit_by = None if patch is None else actor
            row.edit_at = None if patch is None else self._clock.now()
            session.add(row)

    def edited(self, **wanted: Any) -> list[dict[str, Any]]:
        """The parked letters that have a prepared edit, of those that `find`'s arguments select."""
        query = select(DeadLetter).where(col(DeadLetter.edit_by).is_not(None), *wanted_by(**wanted))
        with self._database.read() as session:
            return [_show(row) for row in session.exec(query.order_by(col(DeadLetter.id)))]

    def by_subscription(self, **wanted: Any) -> dict[str, int]:
        """How many there are for each subscription, of those that `find`'s arguments select."""
        query = select(DeadLetter.subscription, func.count()).where(*wanted_by(**wanted))
        with self._database.read() as session:
            return dict(session.exec(query.group_by(DeadLetter.subscription)).all())

    def types(self, **wanted: Any) -> dict[tuple[str, str], int]:
        """How many there are for each subscription and type of event."""
        columns = DeadLetter.subscription, DeadLetter.type
        query = select(*columns, func.count()).where(*wanted_by(**wanted)).group_by(*columns)
        with self._database.read() as session:
            return {(name, type): count for name, type, count in session.exec(query)}


def wanted_by(
    subscription: str | None = None,
    type: str | None = None,
    group: str | None = None,
    since: Any = None,
    until: Any = None,
    q: str | None = None,
    state: str | None = "parked",
    ids: Sequence[str] | None = None,
) -> list[ColumnElement[bool]]:
    """The conditions that `find`'s arguments, or a list of ids, mean."""
    conditions: list[Any] = []
    if ids is not None:
        conditions.append(col(DeadLetter.id).in_(ids))
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
        conditions.append(any_has(q, *SEARCHED))
    return conditions


def _named(session: Session, wanted: list[Any], id: str, limit: int) -> list[DeadLetter]:
    """Those with this id, of themselves, their event or their run, if a page has room for them."""
    same = [
        col(c) == key(id) for c in (DeadLetter.id, DeadLetter.event_id, DeadLetter.correlationid)
    ]
    ids = session.exec(select(DeadLetter.id).where(or_(*same)).limit(limit + 1)).all()
    if not 0 < len(ids) <= limit:
        return []
    these = select(DeadLetter).where(*wanted, col(DeadLetter.id).in_(ids))
    return list(session.exec(_older(these, None, limit)))


def _older(query: Any, cursor: str | None, limit: int) -> Any:
    """The newest of a query, or of those behind a cursor."""
    if cursor:
        at, id = read_cursor(cursor, float, str)
        same = (col(DeadLetter.parked) == at) & (col(DeadLetter.id) < id)
        # The first condition bounds the index; the second leaves out what was seen.
        query = query.where(col(DeadLetter.parked) <= at, (col(DeadLetter.parked) < at) | same)
    return query.order_by(col(DeadLetter.parked).desc(), col(DeadLetter.id).desc()).limit(limit)


def _place(row: DeadLetter) -> tuple[float, str]:
    return row.parked, row.id


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
        "code": row.code,
        "model": row.model,
        "edit": {"patch": row.edit, "by": row.edit_by, "at": iso(row.edit_at)}
        if row.edit
        else None,
    }
