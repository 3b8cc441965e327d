"""Time travel by API and console: a state, its steps, why a field is so, and clear refusals."""

from __future__ import annotations

import re

import pytest
from msgspec.structs import replace

from app.events.event import Event
from app.sourcing.kind import Kinds
from app.sourcing.past import Past
from tests.web.conftest import csrf_of
from tests.web.problems import assert_problem


def test_an_aggregate_as_it_was(api) -> None:
    now = api.get("/aggregates/lamp:1").get_json()
    assert now["state"] == {"on": False, "label": "<b>desk</b>"} and now["version"] == 3
    assert now["why"]["on"]["version"] == 3 and now["why"]["on"]["actor"] == "user:admin"
    assert api.get("/aggregates/lamp:1?version=1").get_json()["state"]["on"] is True
    steps = api.get("/aggregates/lamp:1/history?limit=2").get_json()
    assert [step["version"] for step in steps["items"]] == [3, 2]
    rest = api.get(f"/aggregates/lamp:1/history?cursor={steps['next']}").get_json()
    assert [step["version"] for step in rest["items"]] == [1] and rest["next"] is None
    assert api.get("/aggregates?category=lamp").get_json()["items"][0]["stream"] == "lamp:1"


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("?version=x", 400),
        ("?version=9", 404),
        ("?version=123456789012", 404),
        ("?version=1" + "0" * 18, 400),
        ("?version=0", 422),
        ("?at=never", 400),
        ("?version=2&at=2h", 422),
    ],
)
def test_what_can_not_be_asked(api, query, status) -> None:
    assert_problem(api.get(f"/aggregates/lamp:1{query}"), status)


def test_what_is_not_there(api) -> None:
    assert_problem(api.get("/aggregates/lamp:2"), 404)
    assert_problem(api.get("/aggregates/lamp:2/history"), 404)


def test_the_page_has_a_slider_steps_a_diff_and_why(browser_of) -> None:
    page = browser_of("viewer").get("/aggregates/lamp:1?version=2").text
    assert 'type="range" name="version" min="1" max="3"' in page
    assert "?version=1" in page and "?version=3" in page
    assert "What version 2 changed" in page and "lamp.<wbr>labelled" in page
    assert "<b>desk</b>" not in page and "&lt;b&gt;desk" in page
    assert "its start value" not in page
    assert "its start value" in browser_of("viewer").get("/aggregates/lamp:1?version=1").text
    assert "lamp:1" in browser_of("viewer").get("/aggregates").text


def test_a_page_of_an_early_version_lists_the_events_around_it(browser_of, monkeypatch) -> None:
    monkeypatch.setattr("web.console.aggregates.LATER", 1)
    browser = browser_of("viewer")
    page = browser.get("/aggregates/lamp:1?version=1").text
    rows = page.partition("Every event")[2]
    assert re.findall(r'"Version"><a href="[^"]*version=(\d)#moment"', rows) == ["2", "1"]
    assert rows.count('aria-current="true"') == 1
    newest = re.search(r'href="([^"]+)#history">Those from the newest', page)
    assert newest and "?version=3" in browser.get(newest[1].replace("&amp;", "&")).text
    assert "Those from the newest" not in browser.get("/aggregates/lamp:1").text


def test_a_long_value_opens_to_the_whole_of_it(browser_of, platform) -> None:
    rows = platform.past._store.rows
    long = Event(type="lamp.labelled", data={"label": "<i>" + "x" * 300 + "the end"})
    rows[1] = replace(rows[1], event=long)
    page = browser_of("viewer").get("/aggregates/lamp:1?version=2").text
    assert page.count('<details class="fold value"') == 2  # what the step changed, and the field
    assert "<i>x" not in page and page.count("x" * 300) == 3


def test_of_a_class_that_only_workers_have_one_is_asked(platform, browser_of, api_as) -> None:
    platform.past = Past(platform.past._store, Kinds())
    assert "Show its fields" not in browser_of("viewer").get("/aggregates/lamp:1").text
    browser = browser_of("operator")
    page = browser.get("/aggregates/lamp:1?version=2").text
    assert "Show its fields" in page and 'method="post" action="/aggregates/lamp%3A1/as-of"' in page
    form = {"csrf_token": csrf_of(page), "version": "2"}
    sent = browser.post("/aggregates/lamp:1/as-of", data=form)
    assert (sent.status_code, sent.headers["Location"]) == (
        303,
        "/aggregates/lamp%3A1/as-of/look-3#moment",
    )
    shown = browser.get("/aggregates/lamp:1/as-of/look-3").text
    assert "version 2 of 3" in shown and "&lt;b&gt;desk" in shown and "its start value" not in shown
    assert 'class="aslink" name="version" value="2"' in shown and "?version=" not in shown
    assert "No worker has come" in browser.get("/aggregates/lamp:1/as-of/look-2").text
    assert browser.get("/aggregates/lamp:2/as-of/look-1").status_code == 404
    wrong = {**form, "version": "", "at": "a <week> ago"}
    page = browser.post("/aggregates/lamp:1/as-of", data=wrong, follow_redirects=True).text
    assert "write a time as" in page and 'value="a &lt;week&gt; ago"' in page
    browser.post("/aggregates/lamp:1/as-of", data={**form, "version": "9"})
    assert "wasn" in browser.get("/aggregates/lamp:1").text

    api = api_as("operate")
    told = api.post("/aggregates/lamp:1/as-of", {"version": 1})
    assert told.get_json()["answer"]["state"]["on"] is True
    assert told.headers["Location"].startswith("/api/v1/aggregates/lamp:1/as-of/look-")
    assert api_as("read").post("/aggregates/lamp:1/as-of", {}).status_code == 403
    assert_problem(api.post("/aggregates/lamp:1/as-of", {"version": 9}), 404)


def test_a_position_leads_to_its_event(browser_of) -> None:
    browser = browser_of("viewer")
    sent = browser.get("/positions/2")
    assert (sent.status_code, sent.headers["Location"]) == (
        302, "/aggregates/lamp%3A1?version=2#step",
    )  # fmt: skip
    for absent in ("0", "4", "99999999999999999999999"):
        answer = browser.get(f"/positions/{absent}")
        assert answer.status_code == 404 and "ends at 3" in answer.text


def test_a_step_leads_to_its_event_its_cause_and_the_audit(browser_of, platform) -> None:
    row = platform.event_store.rows[1]
    caused = row.event.but(causationid="cmd-1")
    platform.event_store.rows[1] = replace(row, event=caused)
    page = browser_of("admin").get("/aggregates/lamp:1?version=2").text
    assert f'href="/events/{caused.id}"' in page and 'href="/events/cmd-1"' in page
    assert 'href="/audit?cause=cmd-1"' in page
    assert "/audit?" not in browser_of("viewer").get("/aggregates/lamp:1?version=2").text
    kept = caused.but(extensions={"private": True})
    platform.event_store.rows[1] = replace(row, event=kept)
    assert kept.id not in browser_of("admin").get("/aggregates/lamp:1?version=2").text


def test_a_place_that_is_none_is_said_on_the_page(browser_of) -> None:
    browser = browser_of("viewer")
    for wrong in ("version=9", "version=x", "at=yesterday"):
        answer = browser.get(f"/aggregates/lamp:1?{wrong}")
        assert answer.status_code == 422 and 'role="alert"' in answer.text, wrong
        assert "As it is now" in answer.text
    assert 'value="yesterday"' in browser.get("/aggregates/lamp:1?at=yesterday").text
    assert browser.get("/aggregates/lamp:2?version=1").status_code == 404
