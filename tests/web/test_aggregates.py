"""Time travel by API and console: a state, its steps, why a field is so, and clear refusals."""

from __future__ import annotations

import pytest

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
    [("?version=x", 400), ("?version=9", 404), ("?version=0", 422), ("?at=never", 400)],
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
