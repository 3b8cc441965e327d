"""Webhooks from being made to being deleted, with leases that run all the while."""

from __future__ import annotations

import base64
import json
import logging

import pytest

from app.errors import Conflict, NotFound, Refused
from app.events.event import Event
from app.store import cases, outbox
from app.streams import keys
from app.streams.delayed import release_due
from app.subscriptions.cases import handle_of
from app.subscriptions.declaration import LANES, Subscription
from app.subscriptions.declare import declare
from app.subscriptions.doorbell import Doorbell
from app.subscriptions.lease import Lease
from app.subscriptions.roster import Roster
from app.subscriptions.slots import Slots
from app.webhooks.signature import sign
from tests.webhooks.conftest import Endpoint

ADMIN = "user:admin"
TYPES = ["order.placed"]


class Leases:
    """A worker's slot that never restarts: what it knows, it learns by its reads."""

    def __init__(self, platform):
        self.slots = Slots(1)
        broker = platform.broker()
        self.lease = Lease(Roster(platform, LANES), broker, Doorbell(platform.wire()), "w1.1", "w1")
        self.lease.refresh()

    def run(self) -> int:
        return self.lease.run(self.slots.slot(0), 0.5)


@pytest.fixture
def at_work(platform) -> Leases:
    object.__setattr__(platform.settings, "webhook_inside", ("127.0.0.1",))
    object.__setattr__(platform.settings, "given_secret", None)
    declare(platform)
    return Leases(platform)


def published(platform, *ids: str, type: str = "order.placed") -> None:
    platform.publisher.publish([Event(type=type, id=id, data={"n": id}) for id in ids])


def settled(platform, name: str) -> list[dict]:
    records = platform.redis.xrange(keys.topic_stream("penstock", 0))
    found = [json.loads(fields[b"e"]) for _, fields in records]
    return [one["data"] for one in found if one["data"]["subscription"] == name]


def test_it_is_served_without_a_restart_signed_and_deleted(
    platform, endpoint: Endpoint, at_work: Leases, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    published(platform, "before")
    secret = platform.webhooks.create("crm.orders", endpoint.url, TYPES, ADMIN)
    published(platform, "1", "2")
    published(platform, "x", type="parcel.sent")
    at_work.run()
    assert [json.loads(got["body"])["id"] for got in endpoint.got] == ["1", "2"]
    first = endpoint.got[0]
    told = first["headers"]
    assert told["content-type"].startswith("application/cloudevents+json")
    signed = sign(told["webhook-id"], int(told["webhook-timestamp"]), first["body"], secret)
    assert told["webhook-signature"] == signed
    assert json.loads(first["body"])["data"] == {"n": "1"}

    # Another address and other types hold with the next read; a renewed secret beside the old.
    platform.webhooks.change("crm.orders", ADMIN, types=[*TYPES, "parcel.sent"])
    renewed = platform.webhooks.renew("crm.orders", ADMIN)
    published(platform, "p", type="parcel.sent")
    at_work.run()
    last = endpoint.got[-1]
    assert json.loads(last["body"])["id"] == "p"
    both = last["headers"]["webhook-signature"].split(" ")
    place = last["headers"]["webhook-id"], int(last["headers"]["webhook-timestamp"]), last["body"]
    assert both == [sign(*place, renewed), sign(*place, secret)]
    object.__setattr__(platform, "clock", Later(platform.clock, 90_000))
    published(platform, "late")
    at_work.run()
    assert endpoint.got[-1]["headers"]["webhook-signature"].count("v1,") == 1

    lost = platform.subscriptions.delete("crm.orders", ADMIN)
    assert lost["backlog"] == 0 and lost["webhook"]
    published(platform, "after")
    at_work.run()
    assert json.loads(endpoint.got[-1]["body"])["id"] == "late"
    groups = platform.redis.xinfo_groups(keys.topic_stream("order", 0))
    assert "crm.orders" not in str(groups)
    with pytest.raises(NotFound):
        platform.webhooks.get("crm.orders")

    written = str(platform.audit.find(limit=100).items) + caplog.text
    written += str(platform.subscription_store.all()) + str(platform.redis.hgetall(keys.CONTROL))
    for each in (secret, renewed):
        assert each not in written
        assert base64.b64decode(each.removeprefix("whsec_")).hex() not in written
    assert "/hook" not in str(platform.audit.find(limit=100).items)


class Later:
    def __init__(self, clock, seconds: float):
        self._clock, self._seconds = clock, seconds

    def now(self) -> float:
        return self._clock.now() + self._seconds

    def __getattr__(self, name: str):
        return getattr(self._clock, name)


def test_what_fails_is_tried_again_by_its_policy_and_parked_in_the_end(
    platform, endpoint: Endpoint, at_work: Leases
) -> None:
    platform.webhooks.create("crm", endpoint.url, TYPES, ADMIN, start="earliest")
    platform.subscriptions.update("crm", {"retry": {"attempts": 2, "base": 0.001}}, ADMIN)
    endpoint.next(500, b"no")
    endpoint.next(302, location="http://169.254.169.254/")
    published(platform, "1")
    for _ in range(40):
        at_work.run()
        release_due(platform.wire())
        if any(record["counts"]["parked"] for record in settled(platform, "crm")):
            break
    (parked,) = [r for r in settled(platform, "crm") if r["counts"]["parked"]]
    letter = parked["deliveries"][0]["letter"]
    assert [attempt["error"].split(":")[0] for attempt in letter["attempts"]] == [
        "WebhookBroken", "WebhookMoved",
    ]  # fmt: skip
    assert len({got["headers"]["webhook-id"] for got in endpoint.got}) == 1
    assert len(endpoint.got) == 2


def test_a_deletion_names_what_it_loses_and_leaves_nothing_behind(
    platform, endpoint: Endpoint, at_work: Leases
) -> None:
    platform.webhooks.create("crm", endpoint.url, TYPES, ADMIN)
    stale = Leases(platform)  # it has heard of the webhook, and won't hear of its end
    endpoint.next(500)
    published(platform, "1", "2", "3")
    assert platform.subscriptions.deletion("crm")["backlog"] == 3
    at_work.run()
    assert platform.redis.zcard(keys.DELAYED) == 1
    platform.subscriptions.pause("crm", ADMIN, "x")
    published(platform, "4")
    assert platform.subscriptions.deletion("crm")["backlog"] == 1
    platform.subscriptions.delete("crm", ADMIN)
    assert platform.redis.zcard(keys.DELAYED) == platform.redis.hlen(keys.DELAYED_DATA) == 0
    broker, streams = platform.broker(), stale.lease.roster.all_streams("crm")
    assert broker.read("crm", "w2.1", streams, 10).entries == []
    left = [key.decode() for key in platform.redis.keys("*") if b"crm" in key]
    assert left == []
    assert platform.redis.xinfo_groups(keys.topic_stream("order", 0)) == []
    # The same name may be used again, and begins anew.
    platform.webhooks.create("crm", endpoint.url, TYPES, ADMIN)
    published(platform, "5")
    before = len(endpoint.got)
    at_work.run()
    assert [json.loads(got["body"])["id"] for got in endpoint.got[before:]] == ["5"]


def test_only_what_no_code_declares_is_deleted(platform, endpoint: Endpoint, at_work) -> None:
    handler = Subscription("shop.charge", ("order.placed",), lambda event, ctx: None)
    platform.subscription_store.declare([{**handler.describe(), "topics": ["order"]}])
    with pytest.raises(Conflict, match="take its @on out first"):
        platform.subscriptions.delete("shop.charge", ADMIN)
    platform.subscription_store.retire(["shop.charge"])
    with platform.database.session() as session:
        for key, state in (("1", "waiting"), ("2", "done"), ("3", "waiting"), ("4", "")):
            cases.keep(session, cases.opened(session, "shop.charge", key, 1.0), state, None, 1.0)
        cases.opened(session, "another", "1", 1.0)
        deadline = Event(type="deadline.passed")
        platform.outbox.add(session, [deadline], due=9e9, handle=handle_of("shop.charge", "1"))
    assert platform.cases.end("shop.charge", ["4", "3"], ADMIN) == 2
    assert platform.cases.counts("shop.charge") == {"waiting": 1, "done": 1, "ended by hand": 1}
    lost = platform.subscriptions.deletion("shop.charge")
    assert (lost["types"], lost["cases"]) == (["order.placed"], 1)
    platform.subscriptions.delete("shop.charge", ADMIN)
    assert platform.cases.counts("shop.charge") == {}
    assert platform.cases.counts("another") == {"early": 1}
    with platform.database.read() as session:
        assert outbox.next_due(session) is None
    with pytest.raises(NotFound):
        platform.subscriptions.get("shop.charge")
    (line,) = platform.audit.find(action="subscription.deleted").items
    assert (line["target"], line["before"]["name"]) == ("subscription:shop.charge", "shop.charge")


@pytest.mark.parametrize("wrong", [
    {"name": "a b"}, {"name": ""}, {"name": "a/b"}, {"url": "http://example.com/"},
    {"url": "https://10.0.0.1/"}, {"types": []}, {"types": ["penstock.settled"]},
    {"types": ["command.given"]}, {"types": ["*"]}, {"filter": {"cel": "x"}}, {"start": "then"},
])  # fmt: skip
def test_what_cannot_work_is_refused_and_leaves_nothing(platform, wrong) -> None:
    given = {"name": "crm", "url": "https://example.com/", "types": TYPES} | wrong
    with pytest.raises(Refused):
        platform.webhooks.create(
            given.pop("name"), given.pop("url"), given.pop("types"), ADMIN, **given
        )
    assert platform.subscription_store.all() == []
    assert platform.redis.keys("*again*") == []
