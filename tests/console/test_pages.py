"""Every page answers: for each role, with lively data and with none, and with hostile data."""

from __future__ import annotations

import copy
import re
from html.parser import HTMLParser
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.web.fakes import FakePlatform
from web import create_app
from web.places import BELONGS

HOSTILE = "<script>alert(1)</script>\"'></textarea>" + "W" * 300 + " \u202eרתל 🦆 {{ 7*7 }}"
PAGES = (
    "/", "/flow", "/runs", "/failures", "/replays", "/events", "/topics", "/subscriptions",
    "/datasets", "/models", "/workers", "/alerts", "/sessions", "/aggregates",
    "/projections", "/commands", "/outbox",
)  # fmt: skip
NOT_PAGES = {"/live", "/failures/discard", "/replays/new"}  # a stream; and what needs a choice
ADMINISTRATORS = ("/people", "/tokens", "/audit")


def details(platform: FakePlatform) -> list[str]:
    """A page of each noun."""
    data = platform.data
    run = next(r for r in data["runs"] if r["outcome"] == "deployment.finished")
    letter = data["letters"][0]
    return [
        f"/events/{letter['event']['id']}",
        f"/events/{letter['event']['id']}/raw",
        "/topics/order",
        *(f"/subscriptions/{s['name']}" for s in data["subscriptions"]),
        *(f"/runs/{r['correlationid']}" for r in data["runs"][:6]),
        f"/runs/{run['correlationid']}?step=2",
        f"/runs/{run['correlationid']}/compare",
        "/runs?state=stuck&data=customer.id%3D42&key=k&until=2026-01-31T14:00Z",
        "/subscriptions/shop.handlers.charge?range=7d",
        "/workers/pc-4711-ab12?range=30d",
        f"/failures/{letter['id']}",
        f"/failures?group={letter['group']}",
        "/replays/rp000001",
        "/replays/rp000002",
        "/datasets/digits",
        "/models/digits",
        "/models/churn",
        "/aggregates/lamp:1",
        "/projections/sales",
        "/projections/thanks",
        "/commands/give?command=item.sell",
        "/commands/give?command=item.sell&as=json",
        "/commands/given/cmd-1",
        f"/runs/{run['correlationid']}?moment=2",
    ]


def for_operators(platform: FakePlatform) -> list[str]:
    group = platform.data["groups"][0]["id"]
    return [
        "/publish",
        "/subscriptions/shop.handlers.charge/cases",
        "/aggregates/lamp:1/as-of/look-1",
        "/publish?type=order.placed",
        "/replays/past?subscription=shop.handlers.charge&type=order.placed",
        f"/replays/new?scope=group&group={group}&canary=10&rate=20&stop=5",
        "/replays/new?scope=filter&q=currency",
        f"/failures/discard?scope=group&group={group}",
        "/subscriptions/shop.handlers.charge/rewind?to=1h",
        "/alerts/rules",
        "/alerts/rules/late",
        "/subscriptions/crm.orders/delete",
        "/subscriptions/shop.handlers.charge/rewind?to=now",
        "/subscriptions/shop.handlers.charge/rewind?to=at&at=2026-01-31T14:00Z",
    ]


def plain_pages() -> list[str]:
    """Every page without a name in its address: a new one is looked at without being listed."""
    rules = create_app(FakePlatform()).url_map.iter_rules()
    own = [r for r in rules if r.endpoint.startswith("console.") and "GET" in (r.methods or ())]
    return sorted(r.rule for r in own if not r.arguments and r.rule not in NOT_PAGES)


def every_page(platform: FakePlatform) -> list[str]:
    """One address for each kind of page: its subscriptions and runs look alike."""
    routes = create_app(platform).url_map.bind("localhost")
    seen: dict[tuple[str, ...], str] = {}
    for path in (*plain_pages(), *details(platform), *for_operators(platform)):
        place, _, query = path.partition("?")
        kind = (
            str(routes.match(place)[0]),
            *sorted(part.split("=")[0] for part in query.split("&")),
        )
        if not path.endswith("/raw"):
            seen.setdefault(kind, path)
    return list(seen.values())


class Outline(HTMLParser):
    """Ids, headings, and whether every tag that was opened is closed."""

    VOID = frozenset({"meta", "link", "input", "br", "wbr", "img", "hr"})

    def __init__(self, text: str):
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.levels: list[int] = []
        self.inline: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.inline += [name for name in given if name == "style" or name.startswith("on")]
        if "id" in given:
            self.ids.append(given["id"] or "")
        if re.fullmatch(r"h[1-6]", tag):
            self.levels.append(int(tag[1]))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open[-1] == tag, f"</{tag}> closes <{self.open[-1]}>"
        self.open.pop()


def checked(client: FlaskClient, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 200, f"{path}: {answer.status_code}"
    text = answer.text
    if answer.content_type.startswith("text/html"):
        outline = Outline(text)
        assert outline.open == [], path
        assert outline.inline == [], path
        twice = {name for name in outline.ids if outline.ids.count(name) > 1}
        assert not twice, path
        assert outline.levels.count(1) == 1, f"{path}: {outline.levels}"
    return text


def test_every_page_is_whole_for_an_administrator(
    admin: FlaskClient, platform: FakePlatform
) -> None:
    for path in (*PAGES, *ADMINISTRATORS, *details(platform), *for_operators(platform)):
        header = checked(admin, path).partition("<main")[0]
        lit = re.findall(r'href="([^"]*)"[^>]* aria-current="([^"]*)"', header)
        assert len(lit) == 1 or path.endswith("/raw"), f"{path} is in the navigation at {lit}"
        assert path not in (*PAGES, "/audit") or path in BELONGS or lit == [(path, "page")]
    outbox = admin.get("/outbox").text
    assert re.search('href="/projections"[^>]* aria-current="true"', outbox)


def test_a_viewer_sees_everything_and_is_offered_nothing_to_change(
    sign_in: Any, platform: FakePlatform
) -> None:
    viewer = sign_in("viewer")
    for path in (*PAGES, *details(platform)):
        text = checked(viewer, path)
        actions = set(re.findall(r'<form method="post" action="([^"]*)"', text))
        actions = {each for each in actions if not each.startswith("/sessions/")}
        assert actions <= {"/theme", "/sign-out"}, path
    for path in (*for_operators(platform), *ADMINISTRATORS):
        assert viewer.get(path).status_code == 403, path


def test_people_and_tokens_are_not_for_operators(operator: FlaskClient) -> None:
    for path in ADMINISTRATORS:
        assert operator.get(path).status_code == 403


def test_strangers_are_sent_to_sign_in(app: Flask, platform: FakePlatform) -> None:
    for path in (*PAGES, *ADMINISTRATORS, *details(platform)):
        answer = app.test_client().get(path)
        assert answer.status_code == 302
        assert answer.headers["Location"].startswith("/sign-in?next=")


def test_every_page_that_changes_something_takes_posts_only_and_a_role(app: Flask) -> None:
    for rule in app.url_map.iter_rules():
        if not rule.endpoint.startswith("console.") or "POST" not in (rule.methods or ()):
            continue
        assert "GET" not in (rule.methods or ())
        view = app.view_functions[rule.endpoint]
        # One's own; and a command says itself which role it takes.
        own = rule.rule in ("/theme", "/sessions/<id>/revoke", "/commands/give")
        allowed = ("viewer",) if own else ("operator", "administrator")
        assert getattr(view, "level", None) in allowed, rule.rule


def test_an_empty_installation_teaches_the_next_step(
    admin: FlaskClient, platform: FakePlatform
) -> None:
    for noun in ("events", "runs", "letters", "groups", "replays", "datasets", "models",
                 "subscriptions"):  # fmt: skip
        platform.data[noun].clear()
    platform.workers.list = list  # type: ignore[method-assign]
    platform.rollups.series = lambda *a, **k: []  # type: ignore[method-assign,assignment]
    platform.tokens.find = list  # type: ignore[method-assign]
    taught = {path: checked(admin, path) for path in (*PAGES, *ADMINISTRATORS)}
    assert "python -m app publish" in taught["/events"]
    assert "python -m app datasets upload" in taught["/datasets"]
    assert "celery -A workers worker" in taught["/workers"]
    assert "No worker is running" in taught["/"]
    assert "Nothing is parked" in taught["/failures"]


def test_what_is_not_there_is_said_on_a_page(admin: FlaskClient) -> None:
    for noun in ("events", "runs", "failures", "replays", "topics", "subscriptions", "datasets",
                 "models"):  # fmt: skip
        answer = admin.get(f"/{noun}/nothing-of-the-kind")
        assert answer.status_code == 404, noun
        assert "nothing-of-the-kind" in answer.text


def test_hostile_text_stays_text(admin: FlaskClient, platform: FakePlatform) -> None:
    paths = (*PAGES, *ADMINISTRATORS, *details(platform), *for_operators(platform))
    poison(platform)
    for path in paths:
        if path.endswith("/raw"):
            continue
        text = checked(admin, path)
        assert "<script>alert" not in text, path
        assert "</textarea>W" not in text, path
        assert "\u202e" not in text, f"{path}: the direction of our own text can be turned"


def poison(platform: FakePlatform) -> None:
    """Put HOSTILE where people's or producers' words are shown, and not in names of addresses."""
    data = platform.data
    for event in data["events"]:
        event["subject"] = event["source"] = event["partitionkey"] = HOSTILE
        event["data"] = {HOSTILE: HOSTILE, "deep": [{HOSTILE: [HOSTILE, None]}]}
    for letter in data["letters"]:
        letter["event"] = copy.deepcopy(
            next(e for e in data["events"] if e["id"] == letter["event"]["id"])
        )
        for attempt in letter["attempts"]:
            attempt["error"] = f"ValueError: {HOSTILE}"
            attempt["traceback"] = f"Traceback (most recent call last):\n{HOSTILE}"
        letter["frame"] = letter["reason"] = HOSTILE
    for group in data["groups"]:
        group["title"] = group["frame"] = HOSTILE
    for run in data["runs"]:
        run["subject"] = run["outcome"] = HOSTILE
        for step in run["steps"]:
            step["error"] = HOSTILE
    for subscription in data["subscriptions"]:
        subscription["doc"] = HOSTILE
        if subscription["paused"]:
            subscription["paused"]["reason"] = HOSTILE
    for replay in data["replays"]:
        replay["reason"] = replay["stopped"] = HOSTILE
    for held in platform.outgoing.rows:
        held["problem"] = held["event"]["id"] = HOSTILE
        held["event"]["data"] = {HOSTILE: HOSTILE}
    for dataset in data["datasets"]:
        dataset["target"] = HOSTILE
        for version in dataset["versions"]:
            version["filename"] = HOSTILE
            version["reasons"] = [HOSTILE]
            version["report"]["notes"] = [HOSTILE]
            version["report"]["classes"] = {HOSTILE: 4}
            for column in version["report"]["profile"]:
                column["name"] = HOSTILE
    for model in data["models"]:
        for version in model["versions"]:
            version["reason"] = HOSTILE
            version["lineage"]["parameters"] = {HOSTILE: HOSTILE}


@pytest.mark.parametrize("name", ["order.placed/../x", "a?b#c", "ü 🦆", "%2F%00", "..%2F"])
def test_names_of_any_letters_lead_to_their_page(
    admin: FlaskClient, platform: FakePlatform, name: str
) -> None:
    event = platform.data["events"][0]
    event["id"] = name
    listed = admin.get("/events").text
    links = re.findall(r'href="(/events/[^"]+)"', listed)
    text = checked(admin, links[0])
    assert event["type"] in text.replace("<wbr>", "")


def test_a_refresh_of_fragments_leaves_flashes_for_the_page(admin: FlaskClient) -> None:
    from tests.console.conftest import send

    send(admin, "/subscriptions/shop.handlers.charge/pause", follow=False, reason="x")
    assert "is paused" not in admin.get("/", headers={"X-Fragment": "verdict"}).text
    assert "shop.handlers.charge is paused" in admin.get("/").text


def test_figures_of_one_page_agree(admin: FlaskClient, platform: FakePlatform) -> None:
    text = checked(admin, "/")
    parked = sum(group["count"] for group in platform.dead_letters.groups())
    assert f"last hour; {parked} parked" in text
    each = [s["parked"] for s in platform.data["subscriptions"] if s["parked"]]
    assert sum(each) == parked and all(f"{number} parked" in text for number in each)
    assert "charge is failing" in text


def test_the_table_behind_a_chart_comes_when_it_is_asked_for(operator: FlaskClient) -> None:
    path = "/subscriptions/shop.handlers.charge?range=7d"
    bare, whole = operator.get(path).text, operator.get(f"{path}&table=Throughput").text
    assert "Show as table" in bare and "range=7d&amp;table=Throughput#charts" in bare
    assert whole.count("<td") > bare.count("<td") + 60
    assert "Hide the table" in whole
