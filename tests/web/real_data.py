"""A real platform with something of each noun: what a page or a route finds when it looks.

No worker runs. What a handler would write is written by the functions that it calls, so that
each row is one that could be met.
"""

from __future__ import annotations

from typing import Any

import msgspec
from pydantic import BaseModel

from app.bootstrap import Platform, build
from app.events.arrival import Arrival
from app.events.event import Event
from app.events.schema import EventTypes
from app.ml.artefact import Model
from app.store import followers, migrate, outbox
from app.streams import keys
from app.subscriptions.declaration import Handlers, Subscription
from config.settings import Settings
from tests.domain.conftest import evaluated

GROUP = "0123456789abcdef"
PASSWORD = "a long enough password"
WORKER = "pc-4711-ab12"


class Order(BaseModel):
    amount: float
    customer: str = ""


def opened(settings: Settings) -> Platform:
    """A migrated platform that knows one type and one subscription."""
    platform = build(settings, handlers=Handlers(), types=EventTypes())
    migrate.upgrade_all(platform.database, platform.archive_database)
    platform.schemas.save("order.placed", 1, "order", Order.model_json_schema())
    handler = Subscription("shop.charge", ("order.placed",), lambda event, ctx: None,
                           emits=("payment.captured",))  # fmt: skip
    platform.subscription_store.declare([{**handler.describe(), "topics": ["order"]}])
    return platform


def archived(platform: Platform, *events: Event) -> list[Event]:
    """Publish them, and do what the archive's handler does."""
    if events:
        platform.publisher.publish(events)
    arrivals = []
    for topic in platform.stream_topics.all():
        for position, fields in platform.redis.xrange(keys.topic_stream(topic, 0)):
            event = Event.from_bytes(fields[b"e"])
            arrivals.append(Arrival(event, topic, 0, position.decode()))
    platform.archive.add(arrivals)
    platform.projection.apply_events(arrivals)
    return [arrival.event for arrival in arrivals]


def parked(
    platform: Platform, *events: Event, error: str = "KeyError: 'currency'", group: str = GROUP,
    subscription: str = "shop.charge",
) -> None:  # fmt: skip
    """The record of deliveries that were given up."""
    now = platform.clock.now()
    record = {
        "subscription": subscription, "lane": "default", "worker": WORKER, "tracking": "run",
        "counts": {"succeeded": 0, "retrying": 0, "parked": len(events), "excluded": 0},
        "waited": {"sum": 1.0, "max": 1.0}, "worked": {"sum": 1.0, "max": 1.0}, "at": now,
        "deliveries": [_given_up(event.to_dict(), now, error, group) for event in events],
    }  # fmt: skip
    platform.projection.apply_records([record])


def _given_up(event: dict[str, Any], now: float, error: str, group: str) -> dict[str, Any]:
    told = f"Traceback (most recent call last):\n{error}"
    named = ("id", "source", "type", "correlationid", "causationid", "time", "partitionkey",
             "subject")  # fmt: skip
    letter = {
        "event": event, "reason": "exhausted", "group": group, "title": error[:200],
        "attempts": [{"at": now, "error": error, "traceback": told}],
        "frame": "shop.py:12 in charge",
    }  # fmt: skip
    return {
        "event": {name: event.get(name) for name in named}, "generation": 0, "attempt": 3,
        "state": "parked", "published": now - 2, "started": now - 1, "ended": now, "emitted": [],
        "due": None, "error": error, "traceback": told, "replay": None, "letter": letter,
    }  # fmt: skip


def fill(platform: Platform, model: Model) -> dict[str, list[str]]:
    """Something of each noun; what is there to be found, by the API's noun."""
    orders = [
        Event(type="order.placed", id=f"o{n}", source="shop", subject=f"order {n}",
              partitionkey="k1", data={"amount": n, "customer": "ada"})
        for n in range(8)
    ]  # fmt: skip
    archived(platform, *orders, Event(type="parcel.sent", id="p1", source="post", data=[1]))
    parked(platform, *orders[:5])
    parked(platform, orders[5], error="ValueError: no", group="f" * 16)
    platform.users.create("admin", PASSWORD, "administrator")
    session = platform.sessions.begin("admin", "127.0.0.1", "a test")
    platform.tokens.create("ci", ["read"], None, "user:admin")
    _work(platform)
    platform.webhooks.create("crm", "https://crm.example.com/hooks/9", ["order.placed"], "cli")
    _model(platform, model)
    platform.subscriptions.pause("shop.charge", "user:admin", "for a while")
    platform.alerts.set_rule(
        "parked-here", {"measure": "dead-letters", "above": 1, "target": "shop.*"}, "user:admin"
    )
    platform.alerts.evaluate()
    replay = platform.replays.start(
        {"dead_letters": [platform.dead_letters.find().items[0]["id"]]}, {}, "user:admin"
    )
    with platform.database.session() as rows:
        outbox.set_aside(
            rows, Event(type="order.placed", id="r1", data={"amount": "ten"}), "amount: no number"
        )
        followers.begin(rows, "sales", 1, "projection", 1, followers.LIVE, [], 1.0)
    return {
        "events": ["o1", "p1"], "runs": ["o1", "o5", "p1"], "schemas": ["order.placed"],
        "subscriptions": ["shop.charge"], "projections": ["sales"], "replays": [replay],
        "workers": [WORKER], "models": ["stays"], "datasets": ["stays"], "sessions": [session],
        "aggregates": ["model:stays", "dataset:stays"], "groups": [GROUP, "f" * 16],
        "dead-letters": [row["id"] for row in platform.dead_letters.find(state=None).items],
        "alerts": [row["id"] for row in platform.alerts.find().items],
        "commands": ["sell"], "rules": ["late", "parked-here"], "topics": ["order"],
        "webhooks": ["crm"],
    }  # fmt: skip


def _work(platform: Platform) -> None:
    """The beat of a worker that is busy."""
    now = platform.clock.now()
    slot = {"subscription": "shop.charge", "event": "order.placed", "since": now - 3}
    beat = {"host": "pc", "pid": 4711, "pool": "prefork", "concurrency": 2, "lanes": ["default"],
            "started": now - 7200, "beat": now, "count": 7200, "slots": [slot]}  # fmt: skip
    platform.redis.hset(keys.WORKERS, WORKER, msgspec.json.encode(beat))


def _model(platform: Platform, model: Model) -> None:
    """A dataset that was uploaded, and the champion of its model."""
    import io

    platform.datasets.upload(
        io.BytesIO(b"age,city,stays\n30,Oslo,yes\n40,Rome,no\n"), "stays", "stays",
        filename="stays.csv", actor="user:admin",
    )  # fmt: skip
    with platform.database.session() as session:
        version = platform.models.register(session, evaluated(platform.blobs, model), "o1")
    with platform.database.session() as session:
        platform.models.swap(session, "stays", version, None)
