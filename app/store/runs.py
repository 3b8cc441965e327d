"""Runs as people see them: a list, and one run with its steps.

A step is a delivery; an event that nobody consumes is a step too. Written by
the projection only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from sqlalchemy import false, func
from sqlmodel import Session, col, select

from app.clock import Clock, SystemClock
from app.errors import NotFound
from app.store import run_usual
from app.store.archive import Archive
from app.store.beginnings import beginning
from app.store.columns import key
from app.store.data_match import DataMatch
from app.store.database import Database
from app.store.deliveries import Delivery, Run, RunEvent
from app.store.like import any_has
from app.store.moments import iso, seconds
from app.store.page import Page, cursor_of, paged, read_cursor
from app.store.run_as_of import as_of
from app.store.run_comparison import compare
from app.store.run_steps import attempts_of, packed_step, step_of, steps_of

STATES = ("running", "waiting", "succeeded", "failed", "cancelled")
PACKED_SHOWN = 1000
SCAN = 100
"""Runs whose roots one step of a search by data looks at."""
SCAN_SECONDS = 0.05
OPEN = col(Delivery.settled) == false()
"""Said as the index of open deliveries says it: `IS 0` would read all of them on SQLite."""
OF_A_KEY = 2000
"""Newest roots of a partition key among which runs are looked for."""


class Runs:
    def __init__(self, database: Database, archive: Archive, clock: Clock | None = None):
        self._database = database
        self._archive = archive
        self._clock = clock or SystemClock()

    def find(
        self,
        state: str | None = None,
        type: str | None = None,
        q: str | None = None,
        since: Any = None,
        until: Any = None,
        limit: int = 50,
        cursor: str | None = None,
        key: str | None = None,
        data: str | None = None,
    ) -> Page[dict[str, Any]]:
        """Runs without their steps, newest first; `type`, `key` and `data` are the root event's.

        `data` is a condition such as `customer.id=42`; a search by it gives up after a while with
        a page that may be short or empty, and a cursor from where to go on. A run has `usual`,
        the seconds that its type usually takes, and `stuck` where it goes on for longer.
        """
        conditions = self._conditions(state, type, q, since, until, key)
        if data:
            return self._find_by_data(conditions, DataMatch.parse(data), limit, cursor)
        with self._database.read() as session:
            rows = self._newest(session, conditions, cursor, limit + 1)
            show = self._shower(session, rows)
        return paged(rows, limit, _place, show)

    def _conditions(
        self, state: str | None, type: str | None, q: str | None, since: Any, until: Any,
        key_: str | None,
    ) -> list[Any]:  # fmt: skip
        where: list[Any] = []
        if state == "stuck":
            where.append(col(Run.correlationid).in_([run["correlationid"] for run in self.stuck()]))
        elif state:
            where.append(Run.state == state)
        if type:
            where.append(Run.type == key(type))
        if q:
            where.append(any_has(q, Run.correlationid, Run.type, Run.subject, Run.outcome))
        if (start := seconds(since)) is not None:
            where.append(Run.started >= start)
        if (end := seconds(until)) is not None:
            where.append(Run.started < end)
        if key_:
            where.append(col(Run.correlationid).in_(self._archive.roots_of_key(key_, OF_A_KEY)))
        return where

    @staticmethod
    def _newest(
        session: Session, conditions: list[Any], cursor: str | None, limit: int
    ) -> list[Run]:
        order = col(Run.started).desc(), col(Run.correlationid).desc()
        query = select(Run).where(*conditions).order_by(*order).limit(limit)
        if cursor:
            at, id = read_cursor(cursor, float, str)
            older = (col(Run.started) == at) & (col(Run.correlationid) < id)
            query = query.where((col(Run.started) < at) | older)
        return list(session.exec(query))

    def _find_by_data(
        self, conditions: list[Any], match: DataMatch, limit: int, cursor: str | None
    ) -> Page[dict[str, Any]]:
        found: list[Run] = []
        over = self._clock.monotonic() + SCAN_SECONDS
        following = cursor
        with self._database.read() as session:
            while True:
                rows = self._newest(session, conditions, following, SCAN)
                roots = self._archive.data_of(row.correlationid for row in rows)
                for row in rows:
                    if match.holds(roots.get(row.correlationid)):
                        found.append(row)
                    following = cursor_of(*_place(row))
                    if len(found) == limit:
                        break
                ended = len(rows) < SCAN and (not rows or following == cursor_of(*_place(rows[-1])))
                if ended:
                    following = None
                if ended or len(found) == limit or self._clock.monotonic() > over:
                    break
            show = self._shower(session, found)
        return Page([show(row) for row in found], following)

    def stuck(self, limit: int = 100) -> list[dict[str, Any]]:
        """Runs that go on for longer than their type usually takes, the oldest first."""
        going = (
            select(Run)
            .where(Run.state == "running", Run.started < self._clock.now() - run_usual.LEAST)
            .order_by(col(Run.started))
            .limit(limit)
        )
        with self._database.read() as session:
            rows = session.exec(going).all()
            show = self._shower(session, rows)
        return [shown for row in rows if (shown := show(row))["stuck"]]

    def _shower(self, session: Session, rows: Iterable[Run]) -> Callable[[Run], dict[str, Any]]:
        """How a run is shown: beside what is usual where it goes on."""
        usual = run_usual.usual(session, [row.type for row in rows if row.state == "running"])
        now = self._clock.now()

        def show(row: Run) -> dict[str, Any]:
            known = usual.get(row.type)
            return {**_show(row), "usual": known, "stuck": run_usual.is_stuck(row, known, now)}

        return show

    def last_good(self, correlationid: str) -> str | None:
        """The newest other run that began with the same type and succeeded, or None."""
        with self._database.read() as session:
            run = session.get(Run, key(correlationid))
            if run is None:
                return None
            query = (
                select(Run.correlationid)
                .where(
                    Run.type == run.type,
                    Run.state == "succeeded",
                    Run.correlationid != run.correlationid,
                )
                .order_by(col(Run.started).desc())
                .limit(1)
            )
            return session.exec(query).first()

    def compare(self, correlationid: str, other: str | None = None) -> dict[str, Any]:
        """A run beside another, by default the last good one of its type: see `run_comparison`.

        Raises `NotFound` where either is missing.
        """
        mine = self.get(correlationid)
        other = other or self.last_good(correlationid)
        if mine is None:
            raise NotFound(f"There is no run {correlationid!r}.")
        if other is None:
            raise NotFound(
                f"No other run that began with {mine['type']} succeeded yet: there is nothing to "
                "compare with. Name another run to compare with that."
            )
        theirs = self.get(other)
        if theirs is None:
            raise NotFound(f"There is no run {other!r} to compare with.")
        return {
            "run": {name: value for name, value in mine.items() if name != "steps"},
            "other": {name: value for name, value in theirs.items() if name != "steps"},
            "steps": compare(mine, theirs),
        }

    def export(self, correlationid: str) -> dict[str, Any] | None:
        """All that is kept of a run: its steps with every attempt, and its events."""
        found = self.get(correlationid)
        if found is None:
            return None
        arrivals = self._archive.iterate({"correlationid": correlationid})
        return {"run": found, "events": [arrival.event.to_dict() for arrival in arrivals]}

    def retrying(self) -> dict[str, int]:
        """How many deliveries wait for another attempt, by subscription."""
        query = select(Delivery.subscription, func.count()).where(
            OPEN, Delivery.state == "retrying"
        )
        with self._database.read() as session:
            return dict(session.exec(query.group_by(Delivery.subscription)).all())

    def oldest_open(self) -> dict[str, float]:
        """When the delivery that is open longest was published, by subscription."""
        query = select(Delivery.subscription, func.min(Delivery.published)).where(OPEN)
        with self._database.read() as session:
            return dict(session.exec(query.group_by(Delivery.subscription)).all())

    def beginning(self, correlationid: str, limit: int) -> list[dict[str, Any]]:
        """The runs whose id begins so, without their steps."""
        with self._database.read() as session:
            found = beginning(session, select(Run), Run.correlationid, correlationid, limit)
            return [_show(run) for run in found]

    def get(self, correlationid: str, at: Any = None) -> dict[str, Any] | None:
        """A run with its steps in order of time, or None; `at`: as it was then (`run_as_of`)."""
        found = self._get(correlationid)
        moment = seconds(at)
        return found if found is None or moment is None else as_of(found, moment)

    def _get(self, correlationid: str) -> dict[str, Any] | None:
        with self._database.read() as session:
            run = session.get(Run, key(correlationid))
            if run is None:
                return None
            of_run = RunEvent.correlationid == run.correlationid
            order = col(RunEvent.published), col(RunEvent.time), col(RunEvent.event_id)
            events = session.exec(select(RunEvent).where(of_run).order_by(*order)).all()
            of_run = Delivery.correlationid == run.correlationid
            deliveries = session.exec(select(Delivery).where(of_run)).all()
            attempts = attempts_of(session, deliveries)
            shown = self._shower(session, [run])(run)
        steps = steps_of(events, deliveries, attempts)
        steps += self._packed(run, {event.event_id for event in events})
        steps.sort(key=lambda step: step["published"])
        return {**shown, "events": len({step["event"] for step in steps}), "steps": steps}

    def _packed(self, run: Run, known: set[str]) -> list[dict[str, Any]]:
        """Steps of the run's events of packed types, of which only the archive knows."""
        found = self._archive.find(correlationid=run.correlationid, limit=PACKED_SHOWN).items
        return [packed_step(event) for event in found if key(event["id"]) not in known]

    def deliveries_of(self, event_id: str, source: str | None = None) -> list[dict[str, Any]]:
        """What became of one event, for each subscription that has a row for it."""
        of_event = select(Delivery).where(Delivery.event_id == key(event_id))
        if source is not None:
            of_event = of_event.where(Delivery.event_source == key(source))
        with self._database.read() as session:
            deliveries = session.exec(of_event.order_by(Delivery.subscription)).all()
            query = select(RunEvent).where(RunEvent.event_id == key(event_id))
            events = {(row.event_id, row.event_source): row for row in session.exec(query)}
            attempts = attempts_of(session, deliveries)
        return [
            step_of(delivery, events[identity], attempts)
            for delivery in deliveries
            if (identity := (delivery.event_id, delivery.event_source)) in events
        ]


def _place(run: Run) -> tuple[float, str]:
    return run.started, run.correlationid


def _show(run: Run) -> dict[str, Any]:
    return {
        "correlationid": run.correlationid,
        "state": run.state,
        "outcome": run.outcome,
        "started": iso(run.started),
        "ended": iso(run.ended),
        "type": run.type,
        "subject": run.subject,
        "events": run.events,
    }
