"""Events, arrivals and records for tests, with times that count from T0."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from app.events.arrival import Arrival
from app.events.event import Event
from app.events.ids import emitted_id

T0 = 1_790_000_100.0  # the beginning of five minutes
SUBSCRIPTION = "shop.charge"


def moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(T0 + seconds, UTC)


def event(id: str, type: str = "order.placed", at: float = 0.0, **more: Any) -> Event:
    """An event published at T0 + `at`, the root of a run unless `cause` is given."""
    cause = more.pop("cause", None)
    if cause is not None:
        more |= {"causationid": cause.id, "correlationid": cause.correlationid}
    more.setdefault("correlationid", id)
    more.setdefault("source", "shop")
    return Event(id=id, type=type, time=moment(at), recordedtime=moment(at), **more)


def emitted(cause: Event, type: str, at: float, index: int = 0, by: str = SUBSCRIPTION) -> Event:
    id = emitted_id(cause.source, cause.id, by, 0, index)
    return event(id, type, at, cause=cause)


def arrival(event: Event, topic: str | None = None, partition: int = 0, number: int = 0) -> Arrival:
    milliseconds = int(event.recordedtime.timestamp() * 1000)
    topic = topic or event.type.partition(".")[0]
    return Arrival(event, topic, partition, f"{milliseconds}-{number}")


def delivery(
    event: Event,
    state: str = "succeeded",
    *,
    attempt: int = 1,
    generation: int = 0,
    started: float = 1.0,
    took: float = 0.5,
    emits: list[Event] | None = None,
    error: str | None = None,
    replay: str | None = None,
    group: str = "0123456789abcdef",
) -> dict[str, Any]:
    attributes = ("id", "source", "type", "correlationid", "causationid", "subject", "partitionkey")
    described = {name: value for name in attributes if (value := getattr(event, name)) is not None}
    told: dict[str, Any] = {
        "event": {**described, "time": event.time.isoformat()},
        "generation": generation,
        "attempt": attempt,
        "state": state,
        "published": event.recordedtime.timestamp(),
        "started": T0 + started,
        "ended": T0 + started + took,
        "emitted": [each.id for each in emits or []],
        "replay": replay,
    }
    if state != "succeeded":
        told["error"] = error or "ValueError: no such card"
        told["traceback"] = f"Traceback …\n{told['error']}"
    if state == "retrying":
        told["due"] = told["ended"] + 10
    if state == "parked":
        told["letter"] = {
            "event": event.to_dict(),
            "reason": "exhausted",
            "attempts": [
                {"at": T0 + started + n / 100, "error": told["error"], "traceback": "Traceback …"}
                for n in range(attempt)
            ],
            "group": group,
            "title": told["error"],
            "frame": "shop.py:12 in charge",
        }
    return told


def record(
    *deliveries: dict[str, Any],
    by: str = SUBSCRIPTION,
    at: float = 2.0,
    id: str | None = None,
    **more: Any,
) -> Event:
    states = [each["state"] for each in deliveries]
    counts = {s: states.count(s) for s in ("succeeded", "retrying", "parked")} | {"excluded": 0}
    data = {
        "subscription": by,
        "lane": "default",
        "worker": "host-1-ab",
        "tracking": "run",
        "counts": counts,
        "waited": {"sum": 0.5 * len(states), "max": 0.75},
        "worked": {"sum": 0.25 * len(states), "max": 0.3},
        "at": T0 + at,
        "deliveries": list(deliveries),
    } | more
    named = {"id": id} if id else {}
    return Event(type="penstock.settled", source="/workers/host", data=data, **named)


def declared(name: str = SUBSCRIPTION, *types: str, **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "types": list(types or ("order.placed",)),
        "topics": ["order"],
        "emits": [],
        "lane": "default",
        "filter": None,
        "retry": {"attempts": 5},
        "timeout": 60,
        "start": "earliest",
    } | more
