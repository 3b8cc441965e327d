"""The API on the real platform: a real server, real SQL, and no fakes.

No worker runs here: events come back by way of the archive, which the test
feeds as the archive's handler would. What only workers do is tested with them.
"""

from __future__ import annotations

import io
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from pydantic import BaseModel

from app.bootstrap import Platform, build
from app.events.arrival import Arrival
from app.events.event import Event
from app.events.schema import EventTypes
from app.streams import keys
from app.subscriptions.declaration import Handlers, Subscription
from config.settings import Settings
from tests.web.conftest import Api, sign_in
from tests.web.fakes import FakePlatform
from tests.web.problems import assert_problem
from web import create_app
from web.auth.door import FORGOTTEN

ROOT = "a bootstrap token for tests"


class Order(BaseModel):
    amount: float
    customer: str = ""


@pytest.fixture
def settings(redis_url: str, migrated_url: str, tmp_path) -> Settings:
    return _settings(redis_url, migrated_url, tmp_path)


def _settings(redis_url: str, database_url: str, tmp_path) -> Settings:
    return Settings(data_dir=tmp_path / "data", redis_url=redis_url, database_url=database_url,
                    api_token=ROOT, given_secret="signs the sessions of tests",
                    max_event_bytes=10_000)  # fmt: skip


@pytest.fixture
def platform(settings: Settings) -> Iterator[Platform]:
    platform = build(settings, handlers=Handlers(), types=EventTypes())
    platform.schemas.save("order.placed", 1, "order", Order.model_json_schema())
    handler = Subscription("shop.charge", ("order.placed",), lambda event, ctx: None,
                           emits=("payment.captured",))  # fmt: skip
    platform.subscription_store.declare([{**handler.describe(), "topics": ["order"]}])
    yield platform
    assert platform.audit.find(action=FORGOTTEN).items == [], "a change whose core noted nothing"
    platform.close()


@pytest.fixture
def app(platform: Platform) -> Flask:
    return create_app(platform)


@pytest.fixture
def api(app: Flask) -> Api:
    return Api(app, ROOT)


def archived(platform: Platform) -> int:
    """What the archive's handler does: everything that is in the topics."""
    arrivals = []
    for topic in platform.stream_topics.all():
        stream = keys.topic_stream(topic, 0)
        for position, fields in platform.redis.xrange(stream):
            event = Event.from_bytes(fields[b"e"])
            arrivals.append(Arrival(event, topic, 0, position.decode()))
    platform.archive.add(arrivals)
    platform.projection.apply_events(arrivals)
    return len(arrivals)


def order(id: str, **more: Any) -> dict[str, Any]:
    return {"id": id, "source": "shop", "type": "order.placed", "data": {"amount": 1.5}} | more


def test_published_once_found_in_the_archive_and_in_its_run(api, platform) -> None:
    answer = api.post("/events", json=[order("1", subject="a"), order("2", partitionkey="k")])
    assert answer.get_json() == {"accepted": 2, "duplicates": 0, "ids": ["1", "2"]}
    assert api.post("/events", json=order("1")).get_json()["duplicates"] == 1
    assert archived(platform) == 2

    found = api.get("/events?type=order.placed&limit=1").get_json()
    assert found["items"][0]["id"] == "2"
    assert found["items"][0]["specversion"] == "1.0"
    rest = api.get(f"/events?type=order.placed&limit=1&cursor={found['next']}").get_json()
    assert [e["id"] for e in rest["items"]] == ["1"]
    assert rest["next"] is None
    assert [e["id"] for e in api.get("/events?partitionkey=k").get_json()["items"]] == ["2"]
    assert api.get("/events?since=1m&q=order").get_json()["items"]
    assert api.get("/events/1").get_json()["topic"] == "order"
    assert_problem(api.get("/events/3"), 404)

    run = api.get("/runs/1").get_json()
    assert run["correlationid"] == "1"
    assert run["outcome"] == "order.placed"
    assert [(s["subscription"], s["state"]) for s in run["steps"]] == [("shop.charge", "waiting")]
    heads = api.get("/runs").get_json()["items"]
    assert [head["correlationid"] for head in heads] == ["2", "1"]


def test_bad_data_is_refused_with_the_field(api, platform) -> None:
    batch = [order("1"), order("2", data={"amount": "much"}), order("3", data={})]
    problem = assert_problem(api.post("/events", json=batch), 422)
    assert {p["id"] for p in problem["problems"]} == {"2", "3"}
    assert all("amount" in p["field"] for p in problem["problems"])
    assert archived(platform) == 0


def test_a_type_without_a_schema_makes_its_topic(api) -> None:
    assert api.post("/events", json={"type": "parcel.sent", "data": [1]}).status_code == 202
    topics = {t["name"]: t for t in api.get("/topics").get_json()["items"]}
    assert topics["parcel"]["events"] == 1
    assert topics["parcel"]["partitions"] == 1


def test_an_event_over_the_limit_is_413(api, platform) -> None:
    answer = api.post("/events", json=order("1", data={"amount": 1, "customer": "x" * 20_000}))
    assert_problem(answer, 413, "blob store")


def test_any_json_comes_back_as_it_was_or_is_refused(api, platform) -> None:
    values = [
        {"n": 12345678901234567890123456789}, json.loads("[" * 200 + "]" * 200),
        {"text": "\x00\u2028<script>"}, {"": {"": None}}, 1.7976931348623157e308, None, "x", False,
    ]  # fmt: skip
    kept = {}
    for number, data in enumerate(values):
        event = {"id": str(number), "source": "s", "type": "thing.happened", "data": data}
        answer = api.post("/events", data=json.dumps(event), content_type="application/json")
        assert answer.status_code in (202, 400, 422), answer.text
        if answer.status_code == 202:
            kept[event["id"]] = data
    assert len(kept) >= 6
    archived(platform)
    for id, data in kept.items():
        assert api.get(f"/events/{id}").get_json()["event"].get("data") == data


def test_bad_attributes_are_refused(api, platform) -> None:
    for change in (
        {"type": "no spaces"}, {"type": "a" * 300}, {"type": ".."}, {"type": "penstock.settled"},
        {"id": ""}, {"id": 5}, {"source": "a\x00b"}, {"time": "yesterday"}, {"BAD": 1},
        {"nested": {"a": 1}}, {"partitionkey": "\n"}, {"specversion": "0.3"},
    ):  # fmt: skip
        answer = api.post("/events", json=order("1") | change)
        assert answer.status_code in (400, 422), (change, answer.text)
    assert archived(platform) == 0


LISTS = ("/events", "/dead-letters", "/replays", "/runs", "/models", "/datasets")


def test_every_list_answers_a_page(api) -> None:
    for path in (*LISTS, "/topics", "/subscriptions", "/workers", "/schemas", "/projections",
                 "/dead-letters/groups"):  # fmt: skip
        page = api.get(path)
        assert page.status_code == 200, page.text
        assert set(page.get_json()) == {"items", "next"}


def test_a_cursor_that_was_not_given_out_is_400(api) -> None:
    for path in LISTS:
        for cursor in ("nonsense", "W10", "WzFd", "bnVsbA", "é", "a" * 500):
            assert_problem(api.get(path, query_string={"cursor": cursor}), 400, "cursor")


def test_what_does_not_exist_is_404(api) -> None:
    for path in ("/events/x", "/runs/x", "/dead-letters/x", "/replays/x", "/models/x",
                 "/datasets/x", "/subscriptions/x", "/schemas/x"):  # fmt: skip
        for suffix in ("", "%00", "%F0%9F%A6%86", "y" * 3000, "'--"):
            assert_problem(api.get(path + suffix), 404)


def test_a_nul_in_a_text_is_refused_and_breaks_nothing(api, app) -> None:
    path = "/subscriptions/shop.charge/pause"
    assert api.post(path, json={"reason": "a\x00b"}).status_code in (200, 422)
    for selection in ({"dead_letters": ["\x00"]}, {"group": "\x00"}, {"filter": {"q": "\x00"}}):
        answer = api.post("/replays?dry_run=1", json=selection)
        assert answer.status_code in (200, 404, 422), answer.text
    with pytest.raises(AssertionError, match=r"401|422"):
        sign_in(app, "ve\x00ra", "vera's password")


def test_pause_is_kept_shown_and_audited(api, app, platform) -> None:
    path = "/subscriptions/shop.charge"
    assert api.get(path).get_json()["state"] in ("healthy", "late")
    paused = api.post(f"{path}/pause", json={"reason": "provider is down"}).get_json()
    assert paused["state"] == "paused"
    assert paused["paused"]["reason"] == "provider is down"
    assert_problem(api.post(f"{path}/pause"), 409)
    assert api.post(f"{path}/resume").get_json()["state"] != "paused"
    changed = api("PATCH", path, json={"timeout": 5}).get_json()
    assert changed["timeout"] == 5
    assert changed["changed"]["timeout"]["now"] == 5
    assert_problem(api("PATCH", path, json={"types": ["x"]}), 422)
    assert_problem(api("PATCH", path, json={"retry": {"attempts": "many"}}), 422)
    assert_problem(api("PATCH", path, json={"timeout": -1}), 422)
    actors = {row["actor"] for row in platform.audit.find().items}
    assert actors == {"token:bootstrap"}


def test_rewinding_takes_a_time_an_event_or_a_word(api, platform) -> None:
    api.post("/events", json=[order("1"), order("2")])
    archived(platform)
    path = "/subscriptions/shop.charge/rewind"
    for to in ("earliest", "now", "2026-01-01T00:00:00Z", "1"):
        assert api.post(path, json={"to": to}).status_code == 200, to
    assert api.post(path, json={"to": "no such thing"}).status_code in (404, 422)


def test_nothing_to_replay_is_refused(api) -> None:
    assert_problem(api.post("/replays", json={"filter": {"subscription": "shop.charge"}}), 422)
    assert api.post("/replays?dry_run=1", json={"filter": {}}).get_json()["total"] == 0


def test_past_events_are_replayed(api, platform) -> None:
    api.post("/events", json=[order("1"), order("2"), {"type": "parcel.sent"}])
    archived(platform)
    body = {"events": {"type": "order.placed", "since": "1h"}, "subscription": "shop.charge"}
    preview = api.post("/replays?dry_run=1", json=body).get_json()
    assert preview["total"] == 2
    assert preview["subscriptions"] == {"shop.charge": 2}
    started = api.post("/replays", json={**body, "canary": 1, "reason": "a fix"})
    assert started.status_code == 202
    path = f"/replays/{started.get_json()['id']}"
    replay = api.get(path).get_json()
    assert (replay["state"], replay["total"], replay["pending"]) == ("canary", 2, 2)
    assert api.post(f"{path}/pause").get_json()["state"] == "paused"
    assert api.post(f"{path}/resume").status_code == 200
    assert api.post(f"{path}/cancel").get_json()["state"] == "cancelled"
    assert_problem(api.post(f"{path}/cancel"), 409)


def test_an_edit_is_previewed_refused_or_too_large(api, platform) -> None:
    api.post("/events", json=[order("1")])
    archived(platform)
    body = {"events": {"type": "order.placed"}, "subscription": "shop.charge"}

    def preview(*operations: dict[str, Any]) -> Any:
        return api.post("/replays?dry_run=1", json={**body, "edits": {"*": [*operations]}})

    good = preview({"op": "replace", "path": "/data/amount", "value": 9})
    sample = good.get_json()["sample"][0]
    assert (sample["data"]["amount"], sample["replayedfrom"]) == (9, "1")
    doubling = [{"op": "copy", "from": "/data", "path": f"/data/{n}"} for n in range(60)]
    assert_problem(preview(*doubling), 413, "larger")
    for bad in (
        {"op": "replace", "path": "/data/nothing/x", "value": 1}, {"op": "remove", "path": "/nope"},
        {"op": "replace", "path": "/id", "value": "2"}, {"op": "replace", "path": "", "value": 1},
        {"op": "replace", "path": "/data/amount", "value": "much"}, {"op": "move", "path": "/x"},
        {"op": "add", "path": "data", "value": 1}, {"op": "test", "path": "/id", "value": "9"},
        {"op": "remove", "path": ""}, {"op": "replace", "path": "/time", "value": "soon"},
        {"op": "add", "path": "/data/-1", "value": 1, "from": 5},
    ):  # fmt: skip
        answer = preview(bad)
        assert answer.status_code in (200, 422), (bad, answer.text)


def test_an_upload_is_kept_and_announced(api, platform) -> None:
    table = b"a,b\n" + b"1,2\n" * 200_000
    form = {"file": (io.BytesIO(table), "numbers.csv"), "name": "numbers", "target": "b"}
    answer = api.post("/datasets", data=form)
    assert answer.status_code == 202, answer.text
    correlationid = answer.get_json()["correlationid"]
    archived(platform)
    event = api.get(f"/events?correlationid={correlationid}").get_json()["items"][0]
    assert (event["type"], event["partitionkey"]) == ("dataset.uploaded", "numbers")
    assert platform.blobs.read(event["data"]["file"]) == table
    assert api.get("/datasets/numbers").get_json()["versions"][0]["filename"] == "numbers.csv"
    for name in ("../up", "a/b", "", "x" * 300, "<b>"):
        form = {"file": (io.BytesIO(b"a\n1\n"), "t.csv"), "name": name, "target": "a"}
        assert api.post("/datasets", data=form).status_code in (400, 422), name


def test_the_fakes_show_nothing_that_the_real_ones_do_not(api, platform) -> None:
    api.post("/events", json=[order("1")])
    archived(platform)
    body = {"events": {"type": "order.placed"}, "subscription": "shop.charge"}
    replay = api.post("/replays", json=body).get_json()["id"]
    fake = FakePlatform()
    run, fake_run = platform.runs.get("1"), fake.runs.get(fake.data["runs"][0]["correlationid"])
    pairs = [
        (platform.topics.list()[0], fake.topics.list()[0]),
        (platform.subscriptions.list()[0], fake.subscriptions.list()[0]),
        (platform.archive.get("1"), fake.archive.get(fake.data["events"][0]["id"])),
        (platform.runs.find().items[0], fake.runs.find().items[0]),
        (run, fake_run),
        (run["steps"][0], fake_run["steps"][0]),
        (platform.replays.get(replay), fake.replays.get("rp000001")),
        (platform.schemas.all()[0], fake.schemas.all()[0]),
        (platform.rollups.series(time.time() - 3600, 60)[0], fake.rollups.series(0, 60)[0]),
    ]  # fmt: skip
    for real, invented in pairs:
        assert set(invented) <= set(real)


def test_the_stream_goes_on_exactly_where_it_stopped(api, platform) -> None:
    api.post("/events", json=[order(str(n)) for n in range(5)])
    api.post("/events", json=[{"type": "parcel.sent", "id": "p1", "source": "s"}])

    def read(count: int, **query: Any) -> tuple[list[str], str]:
        stream = api.get("/events/stream", **query)
        chunks, ids, last = stream.iter_encoded(), [], ""
        while len(ids) < count:
            message = next(chunks).decode()
            if message.startswith("id: "):
                last = message.split("\n")[0][4:]
                ids.append(json.loads(message.split("data: ", 1)[1])["id"])
        stream.close()
        return ids, last

    first, last = read(2, query_string={"since": "0"})
    second, _ = read(4, headers={"Last-Event-ID": last})
    assert sorted(first + second) == ["0", "1", "2", "3", "4", "p1"]
    api.post("/events", json={"type": "letter.sent", "id": "l1", "source": "s"})  # a new topic
    third, _ = read(5, headers={"Last-Event-ID": last})
    assert "l1" in third


def test_a_made_up_last_event_id_reads_no_other_key(api, platform) -> None:
    from web.api.events import read_positions

    api.post("/events", json=order("1"))
    platform.redis.xadd("secret", {"e": Event(type="secret.told", id="hidden").to_bytes()})
    positions = read_positions("secret=0-0")
    assert positions
    followed = platform.topics.follow(None, "0", positions)
    seen = [next(followed) for _ in range(2)]
    followed.close()
    assert [event.id for event in seen if event] == ["1"]
    assert "secret" not in positions


def test_ready_and_measured(app, platform) -> None:
    client = app.test_client()
    ready = client.get("/readyz")
    assert ready.status_code == 200, ready.text
    assert {ready.get_json()[part] for part in ("redis", "database", "migrations")} == {"ok"}
    assert b"penstock_up" in client.get("/metrics").data


def test_not_ready_before_the_migrations(redis_url: str, database_url: str, tmp_path) -> None:
    settings = _settings(redis_url, database_url, tmp_path)
    platform = build(settings, handlers=Handlers(), types=EventTypes())
    answer = create_app(platform).test_client().get("/readyz")
    assert answer.status_code == 503
    assert "migrate" in answer.get_json()["migrations"]
    platform.close()


def test_without_redis_it_says_so_and_stays_up(settings: Settings) -> None:
    away = settings.model_copy(update={"redis_url": "redis://127.0.0.1:1/0"})
    platform = build(away, handlers=Handlers(), types=EventTypes())
    app = create_app(platform)
    assert app.test_client().get("/healthz").status_code == 200
    ready = app.test_client().get("/readyz")
    assert ready.status_code == 503
    assert ready.get_json()["database"] == "ok"
    assert ready.get_json()["redis"] != "ok"
    answer = Api(app, ROOT).post("/events", json=order("1"))
    assert_problem(answer, 503)
    assert "Retry-After" in answer.headers
    assert_problem(Api(app, ROOT).get("/topics"), 503)
    with pytest.raises(AssertionError, match=r"401"):  # the tries are counted here meanwhile
        sign_in(app, "nobody", "nothing at all")
    assert Api(app, ROOT).get("/runs").status_code == 200
    platform.close()


def test_people_sign_in_and_tokens_work(app, platform) -> None:
    platform.users.create("vera", "vera's password", "viewer")
    browser = sign_in(app, "vera", "vera's password")
    assert browser.get("/api/v1/runs").status_code == 200
    platform.users.set_password("vera", "another password")
    assert browser.get("/api/v1/runs").status_code == 401

    token, secret = platform.tokens.create("ci", ["publish"], None, "cli")
    ci = Api(app, secret)
    assert ci.post("/events", json=order("1")).status_code == 202
    assert_problem(ci.get("/runs"), 403, "token:ci")
    platform.tokens.revoke(token.id)
    assert_problem(ci.post("/events", json=order("2")), 401)


def test_tries_are_counted_in_redis(app, platform) -> None:
    platform.users.create("vera", "vera's password", "viewer")
    for _ in range(12):
        sign_in(app, "vera", "vera's password")
    for _ in range(10):
        with pytest.raises(AssertionError, match="go together"):
            sign_in(app, "vera", "wrong password")
    other_process = create_app(platform)
    with pytest.raises(AssertionError, match="Too many"):
        sign_in(other_process, "vera", "vera's password")
