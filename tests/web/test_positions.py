"""A client holds on to what it wrote: position tokens, reads that wait, and what is said when it isn't there."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from app import origin
from app.alerts.readings import Readings
from app.cqrs import stopping
from app.cqrs.reaching import ARCHIVE
from app.errors import NewerData, Refused
from app.events.event import Event
from app.events.position import Position
from app.store import followers
from app.streams.keys import topic_stream
from app.telemetry.metrics import exposition
from tests.cqrs.test_projections import follow, shop
from tests.support.platforms import platform
from tests.web.conftest import Api, csrf_of, sign_in
from tests.web.problems import assert_problem
from tests.web.real_data import archived
from web import create_app

__all__ = ["platform", "shop"]
NOW = {"Prefer": "wait=0"}
PATHS = ("/runs/1", "/runs", "/events", "/events/1", "/runs/1/compare?with=1", "/runs/1/export")


@pytest.fixture
def api(platform) -> Api:
    _, secret = platform.tokens.create("client", ["publish", "operate"], None, "test")
    return Api(create_app(platform), secret)


def archive(platform, *topics: str) -> None:
    """What the archive's lease does: all of these topics is kept and settled."""
    archived(platform)
    for topic in topics:
        platform.redis.xgroup_create(topic_stream(topic, 0), ARCHIVE, "$")


def test_a_paused_projection_and_a_client_with_a_token(shop, api) -> None:
    with origin.of(origin.Origin("cli")):
        shop.event_store.append("item-tea", [Event(type="item.sold", subject="tea", data=3)])
        token = str(Position.of(origin.current()))
    follow(shop)
    assert api.get(f"/projections/sales?after={token}").get_json()["lag"] == 0
    api.post("/projections/sales/pause")
    done = shop.event_store.append("item-tea", [Event(type="item.sold", subject="tea", data=4)])
    token = str(done.position)
    follow(shop)

    asked = {"X-Min-Position": token, **NOW}
    late = api.get("/projections/sales", headers=asked)
    told = late.get_json()
    assert (late.status_code, late.mimetype) == (202, "application/problem+json")
    assert (told["state"], told["reached"], told["behind"]["events"]) == ("paused", False, 1)
    assert "is 1 event and" in told["detail"] and "/sales/resume)" in told["detail"]
    assert "Retry-After" not in late.headers  # nothing comes of asking again

    stale = api.get("/projections/sales", headers={**asked, "Prefer": "wait=0, stale"})
    assert (stale.status_code, stale.get_json()["lag"]) == (200, 1)
    assert stale.headers["X-Stale"].startswith("events=1, seconds=")
    assert not shop.projections.wait("sales", token, 0.05)
    unknown = {"Prefer": "wait=0, stale"}
    beyond = api.get("/projections/sales?after=999", headers=unknown).headers["X-Stale"]
    assert beyond == f"beyond-head=?1, head={token}"
    never = api.get("/projections/sales?after=999", headers=NOW).get_json()
    assert f"the event store ends at {token}" in never["detail"]

    answers: list[Any] = []
    asking = threading.Thread(target=lambda: answers.append(
        api.get(f"/projections/sales?after={token}", headers={"Prefer": "wait=30"})))  # fmt: skip
    asking.start()
    api.post("/projections/sales/resume")
    follow(shop)
    asking.join(30)
    assert (answers[0].status_code, answers[0].get_json()["position"]) == (200, int(token))


def test_of_one_that_is_stopped_it_is_said_what_lets_it_go_on(shop, api) -> None:
    done = shop.event_store.append("x", Event(type="item.sold", subject="tea", data="poison"))
    follow(shop)
    late = api.get("/projections/sales", headers={"X-Min-Position": str(done.position), **NOW})
    detail = late.get_json()["detail"]
    assert late.status_code == 202 and "Retry-After" not in late.headers
    assert "/sales/resume, or /skip" in detail and "Ask again" not in detail
    (one,) = shop.projections.stopped()
    assert one["why"] == f"Its code fails on item.sold at the position {done.position}."
    shown = exposition(shop).decode()
    assert 'penstock_follower_stopped{follower="sales"} 1.0' in shown
    assert 'penstock_follower_lag_events{follower="sales"} 1.0' in shown
    assert Readings(shop).of("stopped-projections") == {"sales": 1.0}
    api.post("/projections/sales/pause")
    assert shop.projections.stopped() == []


def test_of_one_that_waits_for_newer_code_a_client_asks_again(shop, api) -> None:
    done = shop.event_store.append("x", Event(type="item.sold", subject="tea", data=1))
    follow(shop)
    with shop.database.session() as session:
        row = followers.locked(session, "sales", 1)
        (recorded,) = shop.event_store.read_all(0, 1)
        stopping.by_newer_data(row, recorded, NewerData("item.sold", 2, 1))
        session.add(row)
    shop.event_store.append("x", Event(type="item.sold", subject="tea", data=1))
    late = api.get("/projections/sales", headers={"X-Min-Position": str(done.position + 1), **NOW})
    assert (late.status_code, late.headers["Retry-After"]) == (202, "1")
    assert "sales waits for newer code" in late.get_json()["detail"]


def test_a_published_event_is_waited_for_in_the_runs(platform, api) -> None:
    answer = api.post("/events", json={"id": "1", "source": "s", "type": "order.placed"})
    token = answer.headers["X-Position"]
    assert token.startswith("order:0=")
    again = api.post("/events", json={"id": "1", "source": "s", "type": "order.placed"})
    assert again.headers["X-Position"] == token  # a resend after a lost reply has it, too
    for path in PATHS:
        late = api.get(path, headers={"X-Min-Position": token, **NOW})
        assert (late.status_code, late.get_json().get("reached")) == (202, False), path
    archive(platform, "order")
    for path in PATHS:
        assert api.get(path, headers={"X-Min-Position": token, **NOW}).status_code == 200, path
    shut = {"name": ARCHIVE, "state": "paused", "backlog": 1, "open": 0, "oldest": 1.0}
    platform.subscriptions.projections = lambda: [shut]
    late = api.get("/runs?after=order:0=9990000000123-0", headers=NOW)
    assert f"/subscriptions/{ARCHIVE}/resume)" in late.get_json()["detail"]


def test_what_was_appended_is_waited_for_beyond_the_relay(platform, api) -> None:
    done = platform.event_store.append("item-tea", Event(type="item.sold", id="e1", data=3))
    path = f"/events/e1?after={done.position}"
    assert api.get(path, headers=NOW).status_code == 202
    platform.relay.drain()
    assert api.get(path, headers=NOW).status_code == 202
    archive(platform, "item")
    assert api.get(path, headers=NOW).status_code == 200


def test_what_is_no_position_is_told(shop, api) -> None:
    follow(shop)
    assert_problem(api.get("/runs?after=yesterday"), 400, "X-Position")
    assert_problem(api.get("/runs", headers={"X-Min-Position": "1,x"}), 400)
    assert_problem(api.get("/projections/sales?after=order:0=1-0"), 422, "event store")
    assert_problem(api.get("/projections/nothing?after=1"), 404)
    assert_problem(api.get("/runs?after=1", headers={"Prefer": "wait=300"}), 400, "30 seconds")


def test_what_becomes_of_events_refuses_a_position(platform, api) -> None:
    for path in ("/dead-letters", "/dead-letters/x", "/dead-letters/groups", "/figures", "/alerts"):
        assert_problem(api.get(path, headers={"X-Min-Position": "1"}), 400, "ask for its run")
        assert_problem(api.get(f"{path}?after=1"), 400, "ask for its run")
    assert api.get("/subscriptions", headers={"X-Min-Position": "1"}).status_code == 200
    assert api.get("/search?q=x&after=order:0=1-0", headers=NOW).status_code == 202


def test_only_so_many_wait_at_once(shop, api, monkeypatch) -> None:
    follow(shop)
    shop.projections.pause("sales", "cli")
    shop.event_store.append("item-tea", [Event(type="item.sold", subject="tea", data=4)])
    monkeypatch.setattr("web.waiting._places", threading.BoundedSemaphore(1))
    waiting = threading.Event()
    sleep = shop.clock.sleep

    def seen(seconds: float) -> None:
        waiting.set()
        sleep(seconds)

    monkeypatch.setattr(type(shop.clock), "sleep", lambda self, seconds: seen(seconds))
    asked = {"headers": {"Prefer": "wait=30"}}
    first: list[Any] = []
    one = threading.Thread(
        target=lambda: first.append(api.get("/projections/sales?after=1", **asked))
    )
    one.start()
    assert waiting.wait(30)
    waiting.clear()
    assert api.get("/projections/sales?after=1", **asked).status_code == 202  # and didn't wait
    shop.projections.resume("sales", "cli")
    follow(shop)
    one.join(60)
    assert first[0].status_code == 200


def test_a_token_is_what_was_written() -> None:
    text = "42,item:3=1790000000124-7,order:0=1790000000123-0"
    position = Position.read(text)
    assert (position.stored, position.places["item:3"]) == (42, "1790000000124-7")
    assert str(position) == text
    for wrong in ("", "42,", "-1", "order=1-0", "order:0=1", "order:0=x-0", "1" * 40):
        with pytest.raises(Refused):
            Position.read(wrong)


def test_the_console_never_shows_a_change_as_undone(platform, monkeypatch) -> None:
    monkeypatch.setattr("web.console.own_writes.PATIENCE", 0.0)
    platform.users.create("ann", "ann-password", "operator")
    browser = sign_in(create_app(platform), "ann")
    form = {"type": "order.placed", "raw": "{}"}
    form["csrf_token"] = csrf_of(browser.get("/publish").text)
    sent = browser.post("/publish", data=form)
    assert sent.status_code == 303 and "after=order:0=" in sent.headers["Location"]
    page = browser.get(sent.headers["Location"])
    assert "include it yet" in page.text and "Nothing matches" not in page.text
    run = sent.headers["Location"].partition("correlationid=")[2].replace("&", "?", 1)
    later = browser.get(f"/runs/{run}")
    assert later.status_code == 202 and "Not shown yet" in later.text
    # A second tab, a filter, a page gone back to: their address says nothing of it.
    run_alone, event = run.partition("?")[0], f"/events/{run.partition('?')[0]}"
    for path in ("/", "/events?type=order.placed", "/runs?state=running"):
        assert "include it yet" in browser.get(path).text, path
    assert "include it yet" not in browser.get("/sessions").text
    assert [browser.get(path).status_code for path in (f"/runs/{run_alone}", event)] == [202, 202]
    again = {**form, "type": "item.sold", "form_key": "2"}
    browser.post("/publish", data=again)
    archive(platform, "order")
    assert "include it yet" in browser.get("/events").text  # the second isn't there yet
    archive(platform, "item")
    assert "include it yet" not in browser.get("/events").text
    with browser.session_transaction() as kept:
        assert "wrote" not in kept
    assert browser.get(event).status_code == 200
    assert "include it yet" not in browser.get(sent.headers["Location"]).text
    assert browser.get(f"/runs/{run}").status_code == 200
