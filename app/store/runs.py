"""Runs as people see them: a list, and one run with its steps.

A step is a delivery; an event that nobody consumes is a step too. Written by
the projection only.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from sqlalchemy import func
from sqlmodel import Session, col, select

from app.store.archive import Archive
from app.store.columns import key
from app.store.database import Database
from app.store.deliveries import Delivery, DeliveryAttempt, Run, RunEvent
from app.store.like import any_has
from app.store.moments import iso, seconds
from app.store.page import Page, paged, read_cursor

STATES = ("running", "waiting", "succeeded", "failed", "cancelled")
PACKED_SHOWN = 1000
Identity = tuple[str, str]


class Runs:
    def __init__(self, database: Database, archive: Archive):
        self._database = database
        self._archive = archive

    def find(
        self,
        state: str | None = None,
        type: str | None = None,
        q: str | None = None,
        since: Any = None,
        until: Any = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page[dict[str, Any]]:
        """Runs without their steps, newest first; `type` is the root event's."""
        newest = col(Run.started).desc(), col(Run.correlationid).desc()
        query = select(Run).order_by(*newest).limit(limit + 1)
        if state:
            query = query.where(Run.state == state)
        if type:
            query = query.where(Run.type == key(type))
        if q:
            query = query.where(any_has(q, Run.correlationid, Run.type, Run.subject, Run.outcome))
        if (start := seconds(since)) is not None:
            query = query.where(Run.started >= start)
        if (end := seconds(until)) is not None:
            query = query.where(Run.started < end)
        if cursor:
            at, id = read_cursor(cursor, float, str)
            older = (col(Run.started) == at) & (col(Run.correlationid) < id)
            query = query.where((col(Run.started) < at) | older)
        with self._database.read() as session:
            rows = session.exec(query).all()
        return paged(rows, limit, lambda row: (row.started, row.correlationid), _show)

    def retrying(self) -> dict[str, int]:
        """How many deliveries wait for another attempt, by subscription."""
        query = select(Delivery.subscription, func.count()).where(
            col(Delivery.settled).is_(False), Delivery.state == "retrying"
        )
        with self._database.read() as session:
            return dict(session.exec(query.group_by(Delivery.subscription)).all())

    def get(self, correlationid: str) -> dict[str, Any] | None:
        """A run with its steps in order of time, or None."""
        with self._database.read() as session:
            run = session.get(Run, key(correlationid))
            if run is None:
                return None
            of_run = RunEvent.correlationid == run.correlationid
            order = col(RunEvent.published), col(RunEvent.time), col(RunEvent.event_id)
            events = session.exec(select(RunEvent).where(of_run).order_by(*order)).all()
            of_run = Delivery.correlationid == run.correlationid
            deliveries = session.exec(select(Delivery).where(of_run)).all()
            attempts = _attempts(session, deliveries)
        steps = _steps(events, deliveries, attempts)
        steps += self._packed(run, {event.event_id for event in events})
        steps.sort(key=lambda step: step["published"])
        return {**_show(run), "events": len({step["event"] for step in steps}), "steps": steps}

    def _packed(self, run: Run, known: set[str]) -> list[dict[str, Any]]:
        """Steps of the run's events of packed types, of which only the archive knows."""
        found = self._archive.find(correlationid=run.correlationid, limit=PACKED_SHOWN).items
        return [_packed_step(event) for event in found if key(event["id"]) not in known]

    def deliveries_of(self, event_id: str, source: str | None = None) -> list[dict[str, Any]]:
        """What became of one event, for each subscription that has a row for it."""
        of_event = select(Delivery).where(Delivery.event_id == key(event_id))
        if source is not None:
            of_event = of_event.where(Delivery.event_source == key(source))
        with self._database.read() as session:
            deliveries = session.exec(of_event.order_by(Delivery.subscription)).all()
            query = select(RunEvent).where(RunEvent.event_id == key(event_id))
            events = {(row.event_id, row.event_source): row for row in session.exec(query)}
            attempts = _attempts(session, deliveries)
        return [
            _step(delivery, events[identity], attempts)
            for delivery in deliveries
            if (identity := (delivery.event_id, delivery.event_source)) in events
        ]


def _attempts(
    session: Session, deliveries: Iterable[Delivery]
) -> dict[tuple[str, str, str], list[DeliveryAttempt]]:
    """The attempts of those deliveries that took more than one or failed, in order."""
    troubled = {
        delivery.event_id
        for delivery in deliveries
        if delivery.attempt > 1 or delivery.generation > 0 or delivery.error
    }
    found: dict[tuple[str, str, str], list[DeliveryAttempt]] = defaultdict(list)
    ids = sorted(troubled)
    for start in range(0, len(ids), 500):
        query = (
            select(DeliveryAttempt)
            .where(col(DeliveryAttempt.event_id).in_(ids[start : start + 500]))
            .order_by(col(DeliveryAttempt.generation), col(DeliveryAttempt.attempt))
        )
        for row in session.exec(query):
            found[row.event_id, row.event_source, row.subscription].append(row)
    return found


def _steps(
    events: Iterable[RunEvent],
    deliveries: Iterable[Delivery],
    attempts: dict[tuple[str, str, str], list[DeliveryAttempt]],
) -> list[dict[str, Any]]:
    of_event: dict[Identity, list[Delivery]] = defaultdict(list)
    for delivery in deliveries:
        of_event[delivery.event_id, delivery.event_source].append(delivery)
    steps = []
    for event in events:
        mine = of_event.get((event.event_id, event.event_source), [])
        steps += [_step(delivery, event, attempts) for delivery in sorted(mine, key=_begun)]
        if not mine:
            steps.append(_unconsumed(event))
    return steps


def _begun(delivery: Delivery) -> tuple[float, str]:
    return delivery.started or float("inf"), delivery.subscription


def _step(
    delivery: Delivery,
    event: RunEvent,
    attempts: dict[tuple[str, str, str], list[DeliveryAttempt]],
) -> dict[str, Any]:
    identity = (delivery.event_id, delivery.event_source, delivery.subscription)
    return {
        "event": delivery.event_id,
        "source": delivery.event_source,
        "type": delivery.type,
        "subject": event.subject,
        "subscription": delivery.subscription,
        "state": delivery.state,
        "attempts": delivery.attempt,
        "generation": delivery.generation,
        "published": iso(event.published),
        "started": iso(delivery.started),
        "ended": iso(delivery.ended),
        "due": iso(delivery.due) if delivery.state == "retrying" else None,
        "causationid": event.causationid,
        "error": delivery.error,
        "worker": delivery.worker,
        "replay": delivery.replay,
        "history": [
            {
                "generation": attempt.generation,
                "attempt": attempt.attempt,
                "state": attempt.state,
                "started": iso(attempt.started),
                "ended": iso(attempt.ended),
                "error": attempt.error,
                "traceback": attempt.traceback,
            }
            for attempt in attempts.get(identity, [])
        ],
    }


def _unconsumed(event: RunEvent) -> dict[str, Any]:
    at = iso(event.published)
    return {
        **_nobodys(event.event_id, event.event_source, event.type, event.subject, at),
        "state": "succeeded" if event.arrived else "waiting",
        "causationid": event.causationid,
    }


def _packed_step(event: dict[str, Any]) -> dict[str, Any]:
    at = iso(seconds(event.get("recordedtime") or event["time"]))
    named = event["id"], event["source"], event["type"], event.get("subject"), at
    return {**_nobodys(*named), "causationid": event.get("causationid")}


def _nobodys(
    id: str, source: str, type: str, subject: str | None, at: str | None
) -> dict[str, Any]:
    return {
        "event": id,
        "source": source,
        "type": type,
        "subject": subject,
        "subscription": None,
        "state": "succeeded",
        "attempts": 0,
        "generation": 0,
        "published": at,
        "started": at,
        "ended": at,
        "due": None,
        "error": None,
        "worker": None,
        "replay": None,
        "history": [],
    }


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
