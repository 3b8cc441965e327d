"""Invented data for the fake platform: a shop and the digits pipeline, mid-afternoon.

Deterministic (one seed), coherent (every dead letter has its event, every event
of a run its step) and lively: each state of each noun occurs at least once.
Times are RFC 3339 strings in UTC, counted back from the moment of the import.
"""

from __future__ import annotations

import random
import time
import uuid
from datetime import UTC, datetime
from typing import Any

NOW = time.time()
Json = dict[str, Any]


def at(seconds_ago: float) -> str:
    """The instant that many seconds before NOW."""
    moment = datetime.fromtimestamp(NOW - seconds_ago, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


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


def subscription(name: str, types: list[str], emits: list[str], **over: Any) -> Json:
    """A healthy subscription; whatever differs is given by name."""
    row = {
        "name": name,
        "types": types,
        "topics": sorted({t.split(".")[0] for t in types}),
        "lane": "default",
        "emits": emits,
        "ordered": False,
        "batch": 1,
        "linger": 0.0,
        "timeout": 60.0,
        "retry": {"attempts": 5, "base": 1.0, "cap": 300.0, "factor": 2.0, "jitter": True},
        "filter": None,
        "state": "healthy",
        "paused": None,
        "backlog": 0,
        "open": 0,
        "retrying": 0,
        "parked": 0,
        "oldest": None,
        "changed": {},
        "active": True,
        "module": name.rsplit(".", 1)[0],
        "doc": "",
        "start": "earliest",
    }
    return row | over


SUBSCRIPTIONS: list[Json] = [
    subscription("workers.handlers.validate", ["dataset.uploaded"],
                 ["dataset.validated", "dataset.rejected"],
                 doc="Check an uploaded table and say what is wrong with it."),
    subscription("workers.handlers.train", ["dataset.validated"],
                 ["training.started", "training.finished"], lane="training", timeout=3600.0,
                 open=1, retry={"attempts": 2, "base": 5.0, "cap": 60.0, "factor": 2.0,
                                "jitter": True}),
    subscription("workers.handlers.evaluate", ["training.finished"], ["model.evaluated"],
                 lane="training"),
    subscription("workers.handlers.register", ["model.evaluated"], ["model.registered"]),
    subscription("workers.handlers.decide", ["model.registered"],
                 ["model.approved", "model.rejected"]),
    subscription("workers.handlers.deploy", ["model.approved"],
                 ["deployment.started", "deployment.finished", "deployment.rolledback"]),
    subscription("workers.handlers.score", ["inference.requested"],
                 ["inference.completed", "inference.failed"], lane="inference", batch=64,
                 linger=0.005, parked=12, backlog=3, open=3, oldest=0.02),
    subscription("shop.handlers.charge", ["order.placed"],
                 ["payment.captured", "payment.declined"], state="failing", parked=31,
                 retrying=9, backlog=118, open=4, oldest=412.0,
                 changed={"retry": {"code": {"attempts": 5}, "now": {"attempts": 8}},
                          "timeout": {"code": 60.0, "now": 20.0}},
                 doc="Charge the customer's card through the payment provider."),
    subscription("shop.handlers.reserve", ["order.placed"], ["stock.reserved"], state="late",
                 ordered=True, backlog=2140, open=1, oldest=96.0, parked=4,
                 filter={"prefix": {"subject": "warehouse-"}}),
    subscription("shop.handlers.notify", ["payment.captured", "payment.declined"],
                 ["notice.sent"], state="paused", backlog=None, oldest=5400.0,
                 paused={"by": "user:admin", "at": at(5400), "reason": "mail provider is down"}),
    subscription("shop.handlers.profile", ["order.placed", "stock.reserved"], [], batch=100,
                 parked=2),
    subscription("workers.handlers.archive", ["*"], [], lane="system", batch=500, backlog=12,
                 oldest=0.4),
    subscription("workers.handlers.projector", ["penstock.settled"], [], lane="system", batch=500),
    subscription("shop.old.export", ["order.placed"], [], active=False),
]

# (type, subscription that made it, seconds it took, what it says)
CHAIN = [
    ("dataset.uploaded", None, 0.0, {"dataset": "digits", "file": "sha256:9f2c…", "rows": 1797,
                                     "target": "digit"}),
    ("dataset.validated", "workers.handlers.validate", 0.4,
     {"dataset": "digits", "rows": 1797, "columns": 65, "verdict": "valid"}),
    ("training.started", "workers.handlers.train", 0.1, {"dataset": "digits", "seed": 7}),
    ("training.finished", "workers.handlers.train", 4.2,
     {"dataset": "digits", "candidates": ["logistic", "boosting"], "seconds": 4.1}),
    ("model.evaluated", "workers.handlers.evaluate", 1.1,
     {"model": "digits", "metrics": {"accuracy": 0.9694, "auc": 0.9991, "f1": 0.9692},
      "baseline": {"accuracy": 0.1}}),
    ("model.registered", "workers.handlers.register", 0.1, {"model": "digits", "version": 3}),
    ("model.approved", "workers.handlers.decide", 0.1, {"model": "digits", "version": 3}),
    ("deployment.started", "workers.handlers.deploy", 0.1, {"model": "digits", "version": 3}),
    ("deployment.finished", "workers.handlers.deploy", 0.9, {"model": "digits", "version": 3}),
]


def step(event: Json, subscription: str | None, state: str, started: float, took: float,
         *, attempts: int = 1, error: str | None = None) -> Json:
    settled = state in ("succeeded", "parked", "cancelled")
    return {
        "event": event["id"],
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


def digits_run(rng: random.Random, ago: float, upto: int, last: str,
               error: str | None = None) -> tuple[Json, list[Json]]:
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
        event = make_event(rng, type, clock - took, data, cause=cause, key="digits",
                           subject="digits")
        clock -= took
        events.append(event)
        names: list[str | None] = [*consumers(type)] or [None]
        for name in names:
            final = number == upto and last != "succeeded"
            steps.append(step(event, name, last if final else "succeeded", clock,
                              CHAIN[number + 1][2] if number + 1 < len(CHAIN) else 0.0,
                              attempts=2 if final and error else 1,
                              error=error if final else None))
    state = {"parked": "failed", "started": "running"}.get(last, last)
    return run_of(events, steps, state, ago, clock), events


def run_of(events: list[Json], steps: list[Json], state: str, began: float, over: float) -> Json:
    done = state in ("succeeded", "failed", "cancelled")
    root = events[0]
    return {
        "correlationid": root["correlationid"],
        "state": state,
        "outcome": events[-1]["type"],
        "started": at(began),
        "ended": at(over) if done else None,
        "type": root["type"],
        "subject": root.get("subject"),
        "events": len(events),
        "steps": steps,
    }


ERRORS = [
    # subscription, type, error, frame, reason, how many
    ("shop.handlers.charge", "order.placed",
     "ConnectTimeout: HTTPSConnectionPool(host='pay.example', port=443): no answer after 10 s",
     "shop/handlers.py:41 in charge", "exhausted", 24),
    ("shop.handlers.charge", "order.placed",
     "KeyError: 'currency'", "shop/handlers.py:38 in charge", "exhausted", 7),
    ("workers.handlers.score", "inference.requested",
     "Refused: model digits has no column 'px_9_9'", "app/domain/models.py:120 in predict",
     "rejected", 12),
    ("shop.handlers.reserve", "order.placed",
     "the process that handled it was killed (signal 9) 3 times", "shop/handlers.py:77 in reserve",
     "killed", 4),
    ("shop.handlers.profile", "order.placed",
     "ValueError: <script>alert('hello')</script> is not a country 🦆 مرحبا",
     "shop/profile.py:12 in country", "exhausted", 2),
]


def traceback_of(error: str, frame: str) -> str:
    place, _, function = frame.partition(" in ")
    file, _, line = place.partition(":")
    return (f'Traceback (most recent call last):\n  File "app/subscriptions/lease.py", line 88, '
            f'in call\n    return handler(event, ctx)\n  File "{file}", line {line}, in {function}'
            f"\n    {function}(event.data)\n{error}\n")


def order(rng: random.Random, ago: float) -> Json:
    number = rng.randrange(10_000, 99_999)
    data = {"order": f"ORD-{number}", "amount": rng.randrange(500, 90_000) / 100,
            "customer": {"id": rng.randrange(1, 500), "country": rng.choice(["NL", "DE", "PT"])},
            "lines": [{"sku": f"SKU-{rng.randrange(99):02d}", "quantity": rng.randrange(1, 4)}]}
    return make_event(rng, "order.placed", ago, data, key=f"customer-{data['customer']['id']}",
                      subject=f"warehouse-{rng.randrange(1, 5)}", source="shop/checkout")


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
            event = (order(rng, ago) if type == "order.placed" else
                     make_event(rng, type, ago, {"model": "digits", "rows": [{"px_9_9": 4}]}))
            tries = 1 if reason == "rejected" else 3
            attempts = [{"at": at(ago - 2 - t * 6), "error": error,
                         "traceback": traceback_of(error, frame)} for t in range(tries)]
            members.append({
                "id": f"{rng.getrandbits(128):032x}", "event": event, "subscription": name,
                "reason": reason, "parked": attempts[-1]["at"], "attempts": attempts,
                "group": group, "state": "parked", "title": error, "frame": frame,
                "correlationid": event["correlationid"], "generation": 0,
            })
            events.append(event)
            steps = [step(event, name, "parked", ago - 2, 14, attempts=tries, error=error)]
            runs.append(run_of([event], steps, "failed", ago, ago - 14))
        times = sorted(m["parked"] for m in members)
        groups.append({"id": group, "title": error, "frame": frame, "subscription": name,
                       "count": count, "first": times[0], "last": times[-1],
                       "reason": reason, "bars": [rng.randrange(0, count) for _ in range(24)]})
        letters += members
    for n in range(80):
        placed = order(rng, 5 + n * 11)
        paid = make_event(rng, "payment.captured", 4 + n * 11, {"amount": placed["data"]["amount"]},
                          cause=placed, key=placed["partitionkey"])
        events += [placed, paid]
        runs.append(run_of([placed, paid],
                           [step(placed, "shop.handlers.charge", "succeeded", 5 + n * 11, 0.6),
                            step(paid, None, "succeeded", 4 + n * 11, 0)],
                           "succeeded", 5 + n * 11, 4 + n * 11))
    events.sort(key=lambda e: (e["time"], e["id"]), reverse=True)
    runs.sort(key=lambda r: (r["started"], r["correlationid"]), reverse=True)
    letters.sort(key=lambda x: (x["parked"], x["id"]), reverse=True)
    return {"events": events, "runs": runs, "letters": letters, "groups": groups}


def model_version(n: int, state: str, ago: float, accuracy: float, correlationid: str) -> Json:
    before = {"version": n - 1, "metrics": {"accuracy": accuracy - 0.008}} if n > 1 else None
    return {
        "version": n,
        "state": state,
        "registered": at(ago),
        "metrics": {"accuracy": accuracy, "auc": round(accuracy + 0.02, 4),
                    "f1": round(accuracy - 0.001, 4)},
        "baseline": {"accuracy": 0.1004, "auc": 0.5, "f1": 0.0182},
        "champion": before,
        "lineage": {"dataset": "digits", "dataset_version": n, "sha256": f"9f2c{n:060x}",
                    "rows": 1797, "parameters": {"algorithm": "boosting", "max_iter": 200},
                    "code": "0.1.0", "correlationid": correlationid, "by": "user:admin",
                    "seconds": 4.1},
        "task": "classification",
        "classes": [str(d) for d in range(10)],
        "artefact": f"sha256:{n:064x}",
        "reason": "better than the champion by 0.008 accuracy" if n > 1 else "better than baseline",
    }


def dataset_versions(correlationid: str) -> list[Json]:
    column = {"name": "px_0_0", "type": "number", "missing": 0, "distinct": 17, "min": 0, "max": 16}
    report = {"rows": 1797, "columns": 65, "target": "digit", "task": "classification",
              "delimiter": ",", "encoding": "utf-8", "header": True,
              "classes": {str(d): 178 + d for d in range(10)},
              "profile": [column | {"name": f"px_{i // 8}_{i % 8}"} for i in range(64)],
              "notes": ["10 columns have one value only and will not help."]}
    return [
        {"version": 2, "state": "validated", "uploaded": at(700), "by": "user:admin",
         "filename": "digits.csv", "size": 492_831, "rows": 1797, "report": report,
         "reasons": [], "correlationid": correlationid},
        {"version": 1, "state": "rejected", "uploaded": at(9100), "by": "user:admin",
         "filename": "digits.xls.csv", "size": 8_120, "rows": 0, "report": report | {"rows": 0},
         "reasons": ["This is an HTML page, not a table: export it as CSV and upload that."],
         "correlationid": correlationid},
    ]
