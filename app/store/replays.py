"""Replays: a frozen list of deliveries to send again, and how far that has come.

The list never grows after it is made; a long one is written in steps, while the replay is
`preparing` (`replay_work.py`). An item is `pending`, then `sent` (handed
to its subscription), then `succeeded`, `failed` or `cancelled`. What was claimed
and not confirmed as sent, because its sender died, is claimed again after a
while; sending twice is harmless, since a delivery is known by its event,
subscription and generation.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import func
from sqlmodel import Session, col, select

from app.clock import Clock, SystemClock
from app.errors import Conflict, NotFound, Refused
from app.events.ids import uuid7
from app.store import replay_work
from app.store.beginnings import beginning
from app.store.bulk import Bulk
from app.store.database import Database
from app.store.failure_groups import LOCK
from app.store.moments import iso
from app.store.page import Page, paged, read_cursor
from app.store.replay_items import (
    INSERT,
    ReplayItem,
    ReplayRow,
    begin_sending,
    chunks,
    item_row,
    mark_items,
    take_letters,
)

OPEN_STATES = ("preparing", "canary", "running", "paused")
REMEMBERED = 1000
"""Replays that are over, whose counts a process keeps."""
STATES = (*OPEN_STATES, "succeeded", "failed", "cancelled")


class ReplayStore:
    """Keeps replays; `app.subscriptions` decides when and how fast to send."""

    def __init__(self, database: Database, clock: Clock | None = None):
        self._database = database
        self._clock = clock or SystemClock()
        self._final: dict[str, dict[str, int]] = {}

    def create(
        self,
        items: Iterable[Mapping[str, Any]],
        *,
        selection: Mapping[str, Any],
        options: Mapping[str, Any],
        actor: str,
        id: str | None = None,
        approve_above: int | None = None,
    ) -> str:
        """Freeze a list and start; the replay's id. Raises `Refused` where the list is empty.

        An item has `subscription` and `event` (a CloudEvents dict), and `dead_letter` where it
        comes from one. `sent_id` is the event's id as it will be sent, where an edit changes it.
        Whole events are kept only where no dead letter holds them or where they were edited.
        The dead letters become `replaying`; one that is so already is refused by `Conflict`.
        With more than `approve_above` items it is paused until a second person approves.
        """
        id = id or uuid7()
        total = 0
        with self._database.session() as session:
            bulk = Bulk(session)
            bulk.lock(LOCK)
            # The row goes first, so that the items of a large list needn't be counted before.
            row = ReplayRow(
                id=id, state="preparing", total=0,
                selection=dict(selection), options=dict(options),
                reason=str(options.get("reason") or ""), created_by=actor,
                created=self._clock.now(),
            )  # fmt: skip
            session.add(row)
            session.flush()
            for chunk in chunks(items, 1000):
                bulk.many(INSERT, [item_row(id, total + n, item) for n, item in enumerate(chunk)])
                letters = [item["dead_letter"] for item in chunk if item.get("dead_letter")]
                replay_work.refuse_shared(session, letters)
                take_letters(bulk, letters, id, self._clock.now())
                total += len(chunk)
            if not total:
                raise Refused("Nothing matches: there is nothing to replay.")
            begin_sending(row, total, approve_above)
            session.add(row)
        return id

    def claim(self, id: str, n: int, stale: float = 60.0) -> list[dict[str, Any]]:
        """The next `n` items to send, in order; each is one sender's until `stale` seconds passed.

        Confirm them with `sent`. Empty where the replay is not open or nothing is left.
        """
        now = self._clock.now()
        with self._database.session() as session:
            replay = session.get(ReplayRow, id, with_for_update=True)
            if replay is None or replay.state not in ("canary", "running"):
                return []
            query = (
                select(ReplayItem)
                .where(ReplayItem.replay_id == id, ReplayItem.state == "pending")
                .where(
                    (col(ReplayItem.claimed).is_(None)) | (col(ReplayItem.claimed) < now - stale)
                )
                .order_by(col(ReplayItem.number))
                .limit(n)
            )
            items = session.exec(query).all()
            for item in items:
                item.claimed = now
                session.add(item)
        return [_show_item(item) for item in items]

    def sent(self, id: str, numbers: Iterable[int]) -> None:
        """Confirm that items were handed to their subscriptions."""
        with self._database.session() as session:
            Bulk(session).many(
                "UPDATE replay_items SET state = 'sent'"
                " WHERE replay_id = ? AND number = ? AND state = 'pending'",
                [(id, number) for number in sorted(numbers)],
            )

    def mark(self, results: Iterable[tuple[str, str, str, str, str | None]]) -> None:
        """Note results: (replay, event id as sent, subscription, state, error) each."""
        with self._database.session() as session:
            mark_items(session, list(results), self._clock.now())

    def counts(self, id: str) -> dict[str, int]:
        """How many items are in each state; `pending` are all that aren't over."""
        with self._database.read() as session:
            return _counts(session, [id])[id]

    def get(self, id: str) -> dict[str, Any]:
        """One replay with its counts. Raises `NotFound`."""
        with self._database.read() as session:
            row = session.get(ReplayRow, id)
            if row is None:
                raise NotFound(
                    f"There is no replay {id!r}: `python -m app replays list` shows them."
                )
            return _show(row, self._counted(session, [row])[id])

    def find(
        self, limit: int = 50, cursor: str | None = None, state: str | None = None
    ) -> Page[dict[str, Any]]:
        order = col(ReplayRow.created).desc(), col(ReplayRow.id).desc()
        query = select(ReplayRow).order_by(*order).limit(limit + 1)
        if state:
            query = query.where(ReplayRow.state == state)
        if cursor:
            created, id = read_cursor(cursor, float, str)
            query = query.where(
                (col(ReplayRow.created) < created)
                | ((col(ReplayRow.created) == created) & (col(ReplayRow.id) < id))
            )
        with self._database.read() as session:
            rows = session.exec(query).all()
            counts = self._counted(session, rows)
            return paged(
                rows,
                limit,
                lambda row: (row.created, row.id),
                lambda row: _show(row, counts[row.id]),
            )

    def unfinished(self) -> int:
        """How many there are that have not ended."""
        query = select(func.count()).where(col(ReplayRow.state).in_(OPEN_STATES))
        with self._database.read() as session:
            return session.exec(query).one()

    def beginning(self, id: str, limit: int) -> list[dict[str, Any]]:
        """The replays whose id begins so, without how far they are."""
        names = ("id", "total", "state")
        with self._database.read() as session:
            return [
                {name: getattr(row, name) for name in names} | {"created": iso(row.created)}
                for row in beginning(session, select(ReplayRow), ReplayRow.id, id, limit)
            ]

    def open(self) -> list[dict[str, Any]]:
        """Those that are sending now: what a runner picks up after a restart."""
        query = select(ReplayRow).where(col(ReplayRow.state).in_(("canary", "running")))
        with self._database.read() as session:
            rows = session.exec(query.order_by(col(ReplayRow.created))).all()
            counts = _counts(session, [row.id for row in rows]) if rows else {}
        return [_show(row, counts[row.id]) for row in rows]

    def items(
        self, id: str, state: str | None = None, limit: int = 50, cursor: str | None = None
    ) -> Page[dict[str, Any]]:
        """The frozen list, in order."""
        query = select(ReplayItem).where(ReplayItem.replay_id == id)
        if state:
            # What was sent and isn't over is pending to people.
            query = query.where(
                col(ReplayItem.state).in_(("pending", "sent") if state == "pending" else (state,))
            )
        if cursor:
            query = query.where(col(ReplayItem.number) > read_cursor(cursor, int)[0])
        with self._database.read() as session:
            if session.get(ReplayRow, id) is None:
                raise NotFound(
                    f"There is no replay {id!r}: `python -m app replays list` shows them."
                )
            rows = session.exec(query.order_by(col(ReplayItem.number)).limit(limit + 1)).all()
        return paged(rows, limit, lambda row: (row.number,), _show_item)

    def move(
        self, id: str, to: str, allowed: Iterable[str] | None = None, stopped: str | None = None
    ) -> dict[str, Any]:
        """Another state, from one of `allowed` only. Raises `Conflict`, `NotFound`.

        A replay that ends before its list does gives its dead letters back: they are parked again,
        of many those that are left later (`replay_work.py`).
        """
        allowed = tuple(allowed or OPEN_STATES)
        with self._database.session() as session:
            Bulk(session).lock(LOCK)
            row = session.get(ReplayRow, id, with_for_update=True)
            if row is None:
                raise NotFound(
                    f"There is no replay {id!r}: `python -m app replays list` shows them."
                )
            if row.state not in allowed:
                raise Conflict(f"Replay {id} is {row.state}: it can't become {to}.")
            if to == "paused":
                row.paused_from = row.state
            row.state, row.stopped = to, stopped or row.stopped
            if to not in OPEN_STATES:
                row.ended = self._clock.now()
                session.add(row)
                replay_work.give_back(session, id, row.ended)
            session.add(row)
            session.flush()
            return _show(row, _counts(session, [id])[id])

    def pause(self, id: str, stopped: str | None = None) -> dict[str, Any]:
        return self.move(id, "paused", ("canary", "running"), stopped)

    def resume(self, id: str) -> dict[str, Any]:
        """Go on with the rest; after a canary that stopped, with all of it."""
        with self._database.read() as session:
            row = session.get(ReplayRow, id)
        if row and row.approval == "needed":
            raise Conflict(
                f"Replay {id} waits for approval by somebody other than {row.created_by}:"
                f" `python -m app replays approve {id}`, or its page."
            )
        was = row.paused_from if row and not row.stopped else None
        return self.move(id, was or "running", ("paused",))

    def approve(self, id: str, actor: str) -> dict[str, Any]:
        """A second person's yes. Raises `Refused` for who started it, `Conflict` where none is due."""
        with self._database.session() as session:
            row = session.get(ReplayRow, id, with_for_update=True)
            if row is None:
                raise NotFound(
                    f"There is no replay {id!r}: `python -m app replays list` shows them."
                )
            if row.approval != "needed" or row.state != "paused":
                raise Conflict(f"Replay {id} is {row.state} and waits for no approval.")
            if actor == row.created_by:
                raise Refused("A replay of this size needs a second person: not who started it.")
            row.approval, row.approved_by, row.approved = "given", actor, self._clock.now()
            row.state = row.paused_from or "running"
            session.add(row)
            return _show(row, _counts(session, [id])[id])

    def cancel(self, id: str) -> dict[str, Any]:
        return self.move(id, "cancelled")

    def _counted(self, session: Session, rows: Sequence[ReplayRow]) -> dict[str, dict[str, int]]:
        """The counts of each; those that can't change any more are counted once in this process."""
        known = {row.id: kept for row in rows if (kept := self._final.get(row.id))}
        counts = known | _counts(session, [row.id for row in rows if row.id not in known])
        final = {row.id: counts[row.id] for row in rows if row.ended}
        if len(self._final) >= REMEMBERED:
            self._final.clear()
        self._final |= {id: each for id, each in final.items() if not each["pending"]}
        return counts


def _counts(session: Session, ids: list[str]) -> dict[str, dict[str, int]]:
    counts = {
        id: {"succeeded": 0, "failed": 0, "cancelled": 0, "pending": 0, "sent": 0} for id in ids
    }
    if not ids:
        return counts
    query = (
        select(ReplayItem.replay_id, ReplayItem.state, func.count())
        .where(col(ReplayItem.replay_id).in_(ids))
        .group_by(ReplayItem.replay_id, ReplayItem.state)
    )
    for id, state, count in session.exec(query):
        counts[id][state] += count
        if state == "sent":
            counts[id]["pending"] += count
    return counts


def _show(row: ReplayRow, counts: dict[str, int]) -> dict[str, Any]:
    return {
        "id": row.id,
        "state": row.state,
        "total": row.total,
        **counts,
        "by": row.created_by,
        "created": iso(row.created),
        "ended": iso(row.ended),
        "selection": row.selection,
        "options": row.options,
        "reason": row.reason,
        "stopped": row.stopped,
        "approval": row.approval,
        "approved_by": row.approved_by,
        "approved": iso(row.approved),
    }


def _show_item(item: ReplayItem) -> dict[str, Any]:
    """`event` is the id; `edited` the whole event where it isn't the dead letter's."""
    return {
        "number": item.number,
        "event": item.event_id,
        "source": item.event_source,
        "type": item.type,
        "subscription": item.subscription,
        "dead_letter": item.dead_letter,
        "sent_id": item.sent_id,
        "whole": item.event,
        "state": "pending" if item.state == "sent" else item.state,
        "error": item.error,
    }
