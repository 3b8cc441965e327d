"""The console on the real platform: a real server and SQLite, with events, failures and a model.

No worker runs here; what its handlers would write is written by the same functions.
"""

from __future__ import annotations

import io
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.bootstrap import Platform, build
from app.events.arrival import Arrival
from app.events.event import Event
from app.events.schema import EventTypes
from app.store import migrate
from app.streams import keys
from app.subscriptions.declaration import Handlers, Subscription
from config.settings import Settings
from tests.console.conftest import send, token
from tests.console.test_pages import ADMINISTRATORS, PAGES, checked
from web import create_app
from web.auth.door import FORGOTTEN

PASSWORD = "a long enough password"
GROUP = "0123456789abcdef"
SECRET = re.compile(r'<pre class="code">([^<]+)</pre>')


@pytest.fixture
def platform(redis_url: str, tmp_path: Path) -> Iterator[Platform]:
    settings = Settings(
        data_dir=tmp_path / "data",
        redis_url=redis_url,
        database_url=f"sqlite:///{tmp_path}/penstock.db",
        given_secret="signs the sessions of tests",
    )
    platform = build(settings, handlers=Handlers(), types=EventTypes())
    migrate.upgrade_all(platform.database, platform.archive_database)
    handler = Subscription("shop.charge", ("order.placed",), lambda event, ctx: None,
                           emits=("payment.captured",))  # fmt: skip
    platform.subscription_store.declare([{**handler.describe(), "topics": ["order"]}])
    platform.users.create("admin", PASSWORD, "administrator")
    yield platform
    assert platform.audit.find(action=FORGOTTEN).items == [], "a change whose core noted nothing"
    platform.close()


@pytest.fixture
def app(platform: Platform) -> Flask:  # type: ignore[override]
    return create_app(platform)


@pytest.fixture
def admin(app: Flask) -> FlaskClient:
    client = app.test_client()
    form = {"username": "admin", "password": PASSWORD, "csrf_token": token(client)}
    assert client.post("/sign-in", data=form).status_code == 302
    return client


def order(platform: Platform, number: int) -> Event:
    """An order that was published and is in the archive."""
    event = Event(
        type="order.placed", data={"order": number, "<b>": "&"}, partitionkey=f"customer {number}"
    )
    platform.publisher.publish([event])
    stream = keys.topic_stream("order", 0)
    position, fields = platform.redis.xrevrange(stream, count=1)[0]
    arrival = Arrival(Event.from_bytes(fields[b"e"]), "order", 0, position.decode())
    platform.archive.add([arrival])
    platform.projection.apply_events([arrival])
    return arrival.event


def parked(platform: Platform, event: Event) -> None:
    """The record of a delivery that was given up."""
    now = platform.clock.now()
    error, traceback = "KeyError: 'currency'", "Traceback …\nKeyError: 'currency'"
    about = event.to_dict()
    named = ("id", "source", "type", "correlationid", "causationid", "time", "partitionkey")
    attempts = [{"at": now, "error": error, "traceback": traceback}]
    letter = {"event": about, "reason": "exhausted", "attempts": attempts, "group": GROUP,
              "title": "KeyError: …", "frame": "shop.py:12 in charge"}  # fmt: skip
    delivery = {
        "event": {**{name: about.get(name) for name in named}, "subject": None}, "generation": 0,
        "attempt": 3, "state": "parked", "published": now - 2, "started": now - 1, "ended": now,
        "emitted": [], "due": None, "error": error, "traceback": traceback, "replay": None,
        "letter": letter,
    }  # fmt: skip
    counts = {"succeeded": 0, "retrying": 0, "parked": 1, "excluded": 0}
    times = {"sum": 1.0, "max": 1.0}
    record = {"subscription": "shop.charge", "lane": "default", "worker": "w", "tracking": "run",
              "counts": counts, "waited": times, "worked": times, "at": now,
              "deliveries": [delivery]}  # fmt: skip
    platform.projection.apply_records([record])


def test_a_new_installation_has_every_page(admin: FlaskClient) -> None:
    for path in (*PAGES, *ADMINISTRATORS):
        checked(admin, path)
    assert "No worker is running" in checked(admin, "/")


def test_a_failure_is_seen_followed_and_replayed(admin: FlaskClient, platform: Platform) -> None:
    events = [order(platform, number) for number in range(3)]
    parked(platform, events[0])
    page = checked(admin, "/failures")
    assert "1 event parked in 1 group" in page
    assert "<strong>KeyError</strong> &#39;currency&#39;" in page
    letter = re.search(r'href="(/failures/[0-9a-f-]+)"', page)
    assert letter
    assert "after 1 attempt: exhausted" in checked(admin, letter[1])
    run = checked(admin, f"/runs/{events[0].id}")
    assert "Stopped at charge after 3 attempts: KeyError: &#39;currency&#39;." in run
    assert "Replay from charge" in run
    assert "Parked" in checked(admin, f"/events/{events[0].id}")
    group = f"/replays/new?scope=group&group={GROUP}&canary=10&rate=20&stop=5"
    assert "Replay 1 event?" in checked(admin, group)
    page = send(admin, "/replays", scope="group", group=GROUP, canary="10")
    assert "The replay has started" in page
    assert "Nothing is parked" in checked(admin, "/failures")


def test_a_subscription_is_looked_at_paused_and_rewound(
    admin: FlaskClient, platform: Platform
) -> None:
    order(platform, 1)
    order(platform, 2)
    path = "/subscriptions/shop.charge"
    checked(admin, path)
    assert "Paused by admin" in send(admin, f"{path}/pause", reason="provider is down")
    assert "goes on" in send(admin, f"{path}/resume")
    page = send(admin, f"{path}/change", attempts="9", timeout="30")
    assert page.count('<span class="badge">changed</span>') == 2
    page = checked(admin, f"{path}/rewind?to=earliest")
    assert "<strong>2 events</strong>. What is" in page
    assert "goes on from" in send(admin, f"{path}/rewind", to="earliest", sure="yes")
    actions = [row["action"] for row in platform.audit.find().items]
    assert {"subscription.paused", "subscription.resumed", "subscription.rewound"} <= set(actions)
    checked(admin, "/audit")


def test_a_form_that_is_sent_twice_is_done_once(admin: FlaskClient, platform: Platform) -> None:
    page = "/subscriptions/shop.charge"
    text = admin.get(page).text
    form = {"csrf_token": token(admin), "form_key": key_of(text), "reason": "a look"}
    first = admin.post(f"{page}/pause", data=form)
    platform.subscriptions.resume("shop.charge", "test")
    again = admin.post(f"{page}/pause", data=form)
    assert (again.status_code, again.location) == (303, first.location)
    assert "sent twice, and done once: shop.charge is paused" in admin.get(page).text
    assert platform.subscriptions.get("shop.charge")["paused"] is None
    assert len(platform.audit.find(action="subscription.paused").items) == 1

    resume = {**form, "form_key": key_of(text)}
    assert "is not paused" in admin.post(f"{page}/resume", data=resume, follow_redirects=True).text
    platform.subscriptions.pause("shop.charge", "test")
    admin.post(f"{page}/resume", data=resume)  # it was refused before: that is no answer to keep
    assert platform.subscriptions.get("shop.charge")["paused"] is None


def test_the_second_of_a_double_click_waits_for_the_first(
    admin: FlaskClient, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    page, begun, waits = "/subscriptions/shop.charge", threading.Event(), threading.Event()
    form = {"csrf_token": token(admin), "form_key": "k"}
    whole = platform.subscriptions.pause

    def slow(*given: str) -> None:
        begun.set()
        assert waits.wait(60)
        whole(*given)

    def looks_again(_seconds: float) -> None:
        waits.set()
        time.sleep(0.01)

    monkeypatch.setattr(platform.subscriptions, "pause", slow)
    clock = SimpleNamespace(monotonic=time.monotonic, sleep=looks_again)
    monkeypatch.setattr("web.console.once.time", clock)
    first: list[int] = []
    cookies = {c.key: c.value for c in admin._cookies.values()}
    other = admin.application.test_client()
    for name, value in cookies.items():
        other.set_cookie(name, value)
    thread = threading.Thread(
        target=lambda: first.append(other.post(f"{page}/pause", data=form).status_code)
    )
    thread.start()
    assert begun.wait(60)
    second = admin.post(f"{page}/pause", data=form)
    thread.join(60)
    assert (first, second.status_code) == ([303], 303)
    assert len(platform.audit.find(action="subscription.paused").items) == 1


def test_a_secret_is_made_once_and_shown_once(admin: FlaskClient, platform: Platform) -> None:
    form = {"csrf_token": token(admin), "form_key": "k", "name": "ann", "role": "operator"}
    assert SECRET.search(admin.post("/people", data=form).text)
    again = admin.post("/people", data=form)
    assert (again.status_code, SECRET.search(again.text)) == (409, None)
    assert "sent before" in again.text
    assert len(platform.audit.find(action="user.created").items) == 1


def key_of(text: str) -> str:
    found = re.search(r'name="form_key" value="([^"]+)"', text)
    assert found, "the page has no form"
    return found[1]


def test_a_table_that_is_sent_twice_is_one_upload(admin: FlaskClient, platform: Platform) -> None:
    def upload(content: bytes) -> str:
        form = {"csrf_token": token(admin), "form_key": "k", "name": "churn", "target": "left",
                "file": (io.BytesIO(content), "churn.csv")}  # fmt: skip
        return admin.post("/datasets", data=form).location

    large = b"a,left\n" + b"1,0\n" * 200_000  # so large that the parser puts it on disk
    assert upload(large) == upload(large)
    assert [v["size"] for v in platform.datasets.get("churn")["versions"]] == [len(large)]
    assert "sent twice, and done once" in admin.get("/datasets/churn").text
    upload(large + b"2,1\n")  # another table: whoever gets the page back may choose one
    assert len(platform.datasets.get("churn")["versions"]) == 2


def test_a_table_is_uploaded_and_its_page_waits_for_a_worker(
    admin: FlaskClient, platform: Platform
) -> None:
    form = {"csrf_token": token(admin), "name": "churn", "target": "left",
            "file": (io.BytesIO(b"a,left\n1,0\n2,1\n"), "churn.csv")}  # fmt: skip
    answer = admin.post("/datasets", data=form)
    assert answer.status_code == 303
    page = checked(admin, answer.headers["Location"])
    assert "Not validated yet" in page
    assert "churn" in checked(admin, "/datasets")


def test_a_search_finds_and_pages(admin: FlaskClient, platform: Platform) -> None:
    for number in range(60):
        order(platform, number)
    page = checked(admin, "/events?type=order.placed")
    older = re.search(r'href="(/events\?[^"]*cursor=[^"]+)"', page)
    assert older
    rest = checked(admin, older[1].replace("&amp;", "&"))
    assert page.count('href="/events/') == 50
    assert rest.count('href="/events/') == 10
    assert checked(admin, "/events?key=customer+7").count('href="/events/') == 1
    assert "Nothing matches" in checked(admin, "/events?q=nothing+of+the+kind")
    assert "events" in checked(admin, "/topics/order")


def test_people_and_tokens(admin: FlaskClient, app: Flask) -> None:
    page = send(admin, "/people", name="ada", role="operator")
    password = SECRET.search(page)
    assert password
    client = app.test_client()
    form = {"username": "ada", "password": password[1], "csrf_token": token(client)}
    assert client.post("/sign-in", data=form).status_code == 302
    assert client.get("/people").status_code == 403
    secret = SECRET.search(send(admin, "/tokens", name="ci", scope="read", days="30"))
    assert secret
    headers = {"Authorization": f"Bearer {secret[1]}"}
    assert app.test_client().get("/api/v1/topics", headers=headers).status_code == 200
    checked(admin, "/tokens")


def test_an_id_that_ends_as_a_route_does_is_reachable(
    admin: FlaskClient, platform: Platform
) -> None:
    plain, odd = [
        Event(type="order.placed", id=id, source="shop", data={"named": id})
        for id in ("a", "a/raw/compare")
    ]
    arrivals = [Arrival(event, "order", 0, f"{n}-0") for n, event in enumerate((plain, odd), 1)]
    platform.archive.add(arrivals)
    platform.projection.apply_events(arrivals)
    assert 'href="/runs/a%2Fraw%2Fcompare"' in checked(admin, "/runs")
    assert "Raw form" in checked(admin, "/events/a%2Fraw%2Fcompare")
    assert "a/raw/compare" in checked(admin, "/events/a%2Fraw%2Fcompare/raw")
    assert 'href="/runs/a%2Fraw%2Fcompare"' in checked(admin, "/events/a%2Fraw%2fcompare")
    assert "a/raw/compare" in checked(admin, "/runs/a%2Fraw%2Fcompare")
    assert "a/raw/compare" in admin.get("/runs/a%2Fraw%2Fcompare/export").text
    run = admin.get("/api/v1/runs/a%2Fraw%2Fcompare").get_json()
    assert run["correlationid"] == "a/raw/compare"
    assert admin.get("/api/v1/events/a%2Fraw%2Fcompare").get_json()["event"]["id"] == odd.id
    # As before where nothing tells the slashes apart.
    assert "named" in checked(admin, "/events/a/raw")
    assert "a/raw/compare" in checked(admin, "/events/a/raw/compare")
    anonymous = admin.application.test_client()
    assert anonymous.get("/events/a%2Fraw?x=%2F").location.endswith("a%252Fraw?x%3D%252F")
