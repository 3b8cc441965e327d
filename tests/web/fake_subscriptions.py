"""Invented subscriptions: healthy, late, failing, paused, and one whose code is gone."""

from __future__ import annotations

from typing import Any

from tests.web.fake_time import Json, at


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
        "served": True,
        "retrying": 0,
        "parked": 0,
        "oldest": None,
        "changed": {},
        "active": True,
        "module": name.rsplit(".", 1)[0],
        "doc": "",
        "webhook": None,
        "start": "earliest",
        "priority": "normal",
        "concurrency": None,
        "rate": None,
        "created": at(86_400 * 9),
        "updated": at(5400),
        "updated_by": "code",
        "revision": 1,
        "recent": {"seconds": 300.0, "done": 120, "failed": 0},
    }
    return row | over


SUBSCRIPTIONS: list[Json] = [
    subscription(
        "workers.handlers.validate",
        ["dataset.uploaded"],
        ["dataset.validated", "dataset.rejected"],
        doc="Check an uploaded table and say what is wrong with it.",
    ),
    subscription(
        "workers.handlers.train",
        ["dataset.validated"],
        ["training.started", "training.finished"],
        lane="training",
        timeout=3600.0,
        open=1,
        retry={"attempts": 2, "base": 5.0, "cap": 60.0, "factor": 2.0, "jitter": True},
    ),
    subscription(
        "workers.handlers.evaluate", ["training.finished"], ["model.evaluated"], lane="training"
    ),
    subscription("workers.handlers.register", ["model.evaluated"], ["model.registered"]),
    subscription(
        "workers.handlers.decide", ["model.registered"], ["model.approved", "model.rejected"]
    ),
    subscription(
        "workers.handlers.deploy",
        ["model.approved"],
        ["deployment.started", "deployment.finished", "deployment.rolledback"],
    ),
    subscription(
        "workers.handlers.score",
        ["inference.requested"],
        ["inference.completed", "inference.failed"],
        lane="inference",
        batch=64,
        linger=0.005,
        parked=12,
        backlog=3,
        open=3,
        oldest=0.02,
    ),
    subscription(
        "shop.handlers.charge",
        ["order.placed"],
        ["payment.captured", "payment.declined"],
        state="failing",
        parked=31,
        retrying=9,
        backlog=118,
        open=4,
        oldest=412.0,
        changed={
            "retry": {"code": {"attempts": 5}, "now": {"attempts": 8}},
            "timeout": {"code": 60.0, "now": 20.0},
        },
        doc="Charge the customer's card through the payment provider.",
    ),
    subscription(
        "shop.handlers.reserve",
        ["order.placed"],
        ["stock.reserved"],
        state="late",
        ordered=True,
        backlog=2140,
        open=1,
        oldest=96.0,
        parked=4,
        filter={"prefix": {"subject": "warehouse-"}},
    ),
    subscription(
        "shop.handlers.notify",
        ["payment.captured", "payment.declined"],
        ["notice.sent"],
        state="paused",
        backlog=None,
        oldest=5400.0,
        paused={"by": "user:admin", "at": at(5400), "reason": "mail provider is down"},
    ),
    subscription(
        "shop.handlers.profile", ["order.placed", "stock.reserved"], [], batch=100, parked=2
    ),
    subscription(
        "crm.orders",
        ["order.placed"],
        [],
        doc="A webhook: each event is sent to an HTTP endpoint.",
        webhook={"url": "https://crm.example.com/hooks/s3cret", "secret": 1, "renewed": None},
    ),
    subscription(
        "old.handlers.mail",
        ["order.placed"],
        [],
        active=False,
        backlog=12,
        open=1,
        retrying=2,
    ),
    subscription(
        "workers.handlers.archive", ["*"], [], lane="system", batch=500, backlog=12, oldest=0.4
    ),
    subscription("workers.handlers.projector", ["penstock.settled"], [], lane="system", batch=500),
    subscription("shop.old.export", ["order.placed"], [], active=False),
]
