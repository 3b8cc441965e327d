"""A run's rows as its steps: one for each delivery, and for each event that nobody consumes. Pure,
but for reading the attempts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from sqlmodel import Session, col, select

from app.store.deliveries import Delivery, DeliveryAttempt, RunEvent
from app.store.moments import iso, seconds

Identity = tuple[str, str]


def attempts_of(
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


def steps_of(
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
        steps += [step_of(delivery, event, attempts) for delivery in sorted(mine, key=_begun)]
        if not mine:
            steps.append(_unconsumed(event))
    return steps


def _begun(delivery: Delivery) -> tuple[float, str]:
    return delivery.started or float("inf"), delivery.subscription


def step_of(
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


def packed_step(event: dict[str, Any]) -> dict[str, Any]:
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
