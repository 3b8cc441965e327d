"""Invented data for the fake platform: a shop and the digits pipeline, mid-afternoon.

Deterministic (one seed), coherent (every dead letter has its event, every event
of a run its step) and lively: each state of each noun occurs at least once.
Times are RFC 3339 strings in UTC, counted back from the moment of the import.
"""

from __future__ import annotations

import random
import uuid
from typing import Any

from tests.web.fake_subscriptions import SUBSCRIPTIONS
from tests.web.fake_time import Json, at


def make_id(rng: random.Random) -> str:
    return str(uuid.UUID(int=rng.getrandbits(128), version=4))


def make_event(
    rng: random.Random,
    type: str,
    ago: float,
    data: Any,
    *,
    cause: Json | None = None,
    key: str | None = None,
    subject: str | None = None,
    source: str | None = None,
) -> Json:
    id = make_id(rng)
    event = {
        "specversion": "1.0",
        "id": id,
        "source": source or f"penstock/{type.split('.')[0]}",
        "type": type,
        "time": at(ago),
        "recordedtime": at(ago - 0.004),
        "datacontenttype": "application/json",
        "correlationid": cause["correlationid"] if cause else id,
        "traceparent": f"00-{rng.getrandbits(128):032x}-{rng.getrandbits(64):016x}-01",
        "data": data,
    }
    if cause:
        event["causationid"] = cause["id"]
    if key:
        event["partitionkey"] = key
    if subject:
        event["subject"] = subject
    return event


# (type, subscription that made it, seconds it took, what it says)
CHAIN = [
    (
        "dataset.uploaded",
        None,
        0.0,
        {"dataset": "digits", "file": "sha256:9f2c…", "rows": 1797, "target": "digit"},
    ),
    (
        "dataset.validated",
        "workers.handlers.validate",
        0.4,
        {"dataset": "digits", "rows": 1797, "columns": 65, "verdict": "valid"},
    ),
    ("training.started", "workers.handlers.train", 0.1, {"dataset": "digits", "seed": 7}),
    (
        "training.finished",
        "workers.handlers.train",
        4.2,
        {"dataset": "digits", "candidates": ["logistic", "boosting"], "seconds": 4.1},
    ),
    (
        "model.evaluated",
        "workers.handlers.evaluate",
        1.1,
        {
            "model": "digits",
            "metrics": {"accuracy": 0.9694, "auc": 0.9991, "f1": 0.9692},
            "baseline": {"accuracy": 0.1},
        },
    ),
    ("model.registered", "workers.handlers.register", 0.1, {"model": "digits", "version": 3}),
    ("model.approved", "workers.handlers.decide", 0.1, {"model": "digits", "version": 3}),
    ("deployment.started", "workers.handlers.deploy", 0.1, {"model": "digits", "version": 3}),
    ("deployment.finished", "workers.handlers.deploy", 0.9, {"model": "digits", "version": 3}),
]


def step(
    event: Json,
    subscription: str | None,
    state: str,
    started: float,
    took: float,
    *,
    attempts: int = 1,
    error: str | None = None,
) -> Json:
    settled = state in ("succeeded", "parked", "cancelled")
    tries = [
        {
            "generation": 0,
            "attempt": n + 1,
            "state": state if n + 1 == attempts else "retrying",
            "started": at(started - n * took / attempts),
            "ended": at(started - (n + 0.4) * took / attempts),
            "error": error,
            "traceback": traceback_of(error, "shop/handlers.py:41 in charge") if error else None,
        }
        for n in range(attempts if subscription and state not in ("waiting", "started") else 0)
    ]
    return {
        "event": event["id"],
        "source": event["source"],
        "subject": event.get("subject"),
        "generation": 0,
        "published": event["recordedtime"],
        "due": None,
        "worker": "pc-4711-ab12" if subscription and state != "waiting" else None,
        "replay": None,
        "history": tries,
        "type": event["type"],
        "subscription": subscription,
        "state": state,
        "attempts": attempts,
        "started": None if state == "waiting" else at(started),
        "ended": at(started - took) if settled else None,
        "causationid": event.get("causationid"),
        "error": error,
    }


def consumers(type: str) -> list[str]:
    return [s["name"] for s in SUBSCRIPTIONS if type in s["types"] and s["active"]]


def digits_run(
    rng: random.Random, ago: float, upto: int, last: str, error: str | None = None
) -> tuple[Json, list[Json]]:
    """A run of the digits pipeline that got as far as CHAIN[upto], whose consumer is in `last`."""
    events: list[Json] = []
    steps: list[Json] = []
    clock = ago
    for number, (type, _maker, took, data) in enumerate(CHAIN[: upto + 1]):
        cause = events[number - 1] if number else None
        if type == "training.finished":
            cause = events[1]
        if type == "deployment.finished":
            cause = events[6]
        event = make_event(
            rng, type, clock - took, data, cause=cause, key="digits", subject="digits"
        )
        clock -= took
        events.append(event)
        names: list[str | None] = [*consumers(type)] or [None]
        for name in names:
            final = number == upto and last != "succeeded"
            steps.append(
                step(
                    event,
                    name,
                    last if final else "succeeded",
                    clock,
                    CHAIN[number + 1][2] if number + 1 < len(CHAIN) else 0.0,
                    attempts=2 if final and error else 1,
                    error=error if final else None,
                )
            )
    state = {"parked": "failed", "started": "running"}.get(last, last)
    return run_of(events, steps, state, ago, clock), events


def run_of(events: list[Json], steps: list[Json], state: str, began: float, over: float) -> Json:
    done = state in ("succeeded", "failed", "cancelled")
    root = events[0]
    return {
        "correlationid": root["correlationid"],
        "state": state,
        "outcome": events[-1]["type"],
        "usual": None,
        "stuck": False,
        "started": at(began),
        "ended": at(over) if done else None,
        "type": root["type"],
        "subject": root.get("subject"),
        "events": len(events),
        "steps": steps,
    }


ERRORS = [
    # subscription, type, error, frame, reason, how many
    (
        "shop.handlers.charge",
        "order.placed",
        "ConnectTimeout: HTTPSConnectionPool(host='pay.example', port=443): no answer after 10 s",
        "shop/handlers.py:41 in charge",
        "exhausted",
        24,
    ),
    (
        "shop.handlers.charge",
        "order.placed",
        "KeyError: 'currency'",
        "shop/handlers.py:38 in charge",
        "exhausted",
        7,
    ),
    (
        "workers.handlers.score",
        "inference.requested",
        "Refused: model digits has no column 'px_9_9'",
        "app/domain/models.py:120 in predict",
        "rejected",
        12,
    ),
    (
        "shop.handlers.reserve",
        "order.placed",
        "the process that handled it was killed (signal 9) 3 times",
        "shop/handlers.py:77 in reserve",
        "killed",
        4,
    ),
    (
        "shop.handlers.profile",
        "order.placed",
        "ValueError: <script>alert('hello')</script> is not a country 🦆 مرحبا",
        "shop/profile.py:12 in country",
        "exhausted",
        2,
    ),
]


def traceback_of(error: str, frame: str) -> str:
    place, _, function = frame.partition(" in ")
    file, _, line = place.partition(":")
    return (
        f'Traceback (most recent call last):\n  File "app/subscriptions/lease.py", line 88, '
        f'in call\n    return handler(event, ctx)\n  File "{file}", line {line}, in {function}'
        f"\n    {function}(event.data)\n{error}\n"
    )


def order(rng: random.Random, ago: float) -> Json:
    number = rng.randrange(10_000, 99_999)
    data = {
        "order": f"ORD-{number}",
        "amount": rng.randrange(500, 90_000) / 100,
        "customer": {"id": rng.randrange(1, 500), "country": rng.choice(["NL", "DE", "PT"])},
        "lines": [{"sku": f"SKU-{rng.randrange(99):02d}", "quantity": rng.randrange(1, 4)}],
    }
    return make_event(
        rng,
        "order.placed",
        ago,
        data,
        key=f"customer-{data['customer']['id']}",
        subject=f"warehouse-{rng.randrange(1, 5)}",
        source="shop/checkout",
    )


def invent() -> Json:
    """Everything: {"events", "runs", "letters", "groups"}, newest first."""
    rng = random.Random(20260101)
    runs: list[Json] = []
    events: list[Json] = []
    letters: list[Json] = []
    groups: list[Json] = []
    made = [
        digits_run(rng, 20, 1, "started"),
        digits_run(rng, 65, 4, "waiting"),
        digits_run(rng, 700, 8, "succeeded"),
        digits_run(rng, 3000, 1, "parked", "MemoryError: unable to allocate 3.2 GiB"),
        digits_run(rng, 4100, 6, "cancelled"),
    ]
    for ago in (9000, 14_000, 40_000, 86_000):
        made.append(digits_run(rng, ago, 8, "succeeded"))
    for run, caused in made:
        runs.append(run)
        events += caused
    for number, (name, type, error, frame, reason, count) in enumerate(ERRORS):
        group = f"{rng.getrandbits(64):016x}"
        members = []
        for n in range(count):
            ago = 120 + number * 340 + n * rng.uniform(20, 140)
            event = (
                order(rng, ago)
                if type == "order.placed"
                else make_event(rng, type, ago, {"model": "digits", "rows": [{"px_9_9": 4}]})
            )
            tries = 1 if reason == "rejected" else 3
            attempts = [
                {"at": at(ago - 2 - t * 6), "error": error, "traceback": traceback_of(error, frame)}
                for t in range(tries)
            ]
            members.append(
                {
                    "id": f"{rng.getrandbits(128):032x}",
                    "event": event,
                    "subscription": name,
                    "reason": reason,
                    "parked": attempts[-1]["at"],
                    "attempts": attempts,
                    "group": group,
                    "state": "parked",
                    "title": error,
                    "frame": frame,
                    "correlationid": event["correlationid"],
                    "generation": 0,
                    "type": type,
                    "first_parked": attempts[-1]["at"],
                    "replay": None,
                    "closed": None,
                    "closed_by": None,
                    "closed_reason": None,
                }
            )
            events.append(event)
            steps = [step(event, name, "parked", ago - 2, 14, attempts=tries, error=error)]
            runs.append(run_of([event], steps, "failed", ago, ago - 14))
        times = sorted(m["parked"] for m in members)
        groups.append(
            {
                "id": group,
                "title": error,
                "frame": frame,
                "subscription": name,
                "count": count,
                "first": times[0],
                "last": times[-1],
                "type": type,
                "reason": reason,
                "bars": [rng.randrange(0, count) for _ in range(24)],
            }
        )
        letters += members
    for n in range(80):
        placed = order(rng, 5 + n * 11)
        paid = make_event(
            rng,
            "payment.captured",
            4 + n * 11,
            {"amount": placed["data"]["amount"]},
            cause=placed,
            key=placed["partitionkey"],
        )
        events += [placed, paid]
        runs.append(
            run_of(
                [placed, paid],
                [
                    step(placed, "shop.handlers.charge", "succeeded", 5 + n * 11, 0.6),
                    step(paid, None, "succeeded", 4 + n * 11, 0),
                ],
                "succeeded",
                5 + n * 11,
                4 + n * 11,
            )
        )
    events.sort(key=lambda e: (e["time"], e["id"]), reverse=True)
    runs.sort(key=lambda r: (r["started"], r["correlationid"]), reverse=True)
    letters.sort(key=lambda x: (x["parked"], x["id"]), reverse=True)
    return {"events": events, "runs": runs, "letters": letters, "groups": groups}
