"""The outbox by page and API: what its topic refuses is seen, sent again or given up, and who did so is noted."""

from __future__ import annotations

import pytest

from tests.web.problems import assert_problem
from tests.web.test_auth import csrf_of_session


def test_what_cannot_be_published_is_shown_with_why_and_how_far_the_relay_is(browser_of, platform):
    page = browser_of("viewer").get("/outbox").text
    assert "order.placed" in page and "&#39;&lt;b&gt;ten&#39;" in page and "'<b>ten" not in page
    assert "pc-4711-ab12" in page and "5 events, 1.5 s" in page and "1,200" in page
    assert "/retry" not in page and "/discard" not in page
    card = browser_of("viewer").get("/projections").text
    assert "2 events can&#39;t be published" in card or "2 events can't be published" in card
    platform.outgoing.owner, platform.outgoing.rows = None, []
    page = browser_of("operator").get("/outbox").text
    assert "No relay runs" in page and "Every event can be published" in page
    assert "No relay runs" in browser_of("viewer").get("/projections").text


def test_a_page_of_events_that_are_too_large_is_not(browser_of, platform) -> None:
    platform.outgoing.rows[0]["event"]["data"] = "x" * 1_000_000
    page = browser_of("operator").get("/outbox").text
    assert "more characters" in page and len(page) < 50_000


@pytest.mark.parametrize(("what", "done"), [("retry", "retried"), ("discard", "discarded")])
def test_an_operator_settles_one_by_page_and_another_by_the_api(
    browser_of, api_as, platform, what: str, done: str
) -> None:
    browser = browser_of("operator")
    form = {"csrf_token": csrf_of_session(browser), "reason": "mended"}
    sent = browser.post(f"/outbox/18/{what}", data=form)
    assert (sent.status_code, sent.headers["Location"]) == (303, "/outbox")
    assert "refused-18" not in browser.get("/outbox").text
    again = browser.post(f"/outbox/18/{what}", data=form, follow_redirects=True)
    assert "holds no refused event 18" in again.text.replace("&#39;", "'")
    assert api_as("operate").post(f"/outbox/17/{what}").get_json() == {done: 17}
    lines = platform.audit.find(action=f"outbox.{done}").items
    assert [line["details"]["reason"] for line in lines] == ["", "mended"]
    assert_problem(api_as("operate").post(f"/outbox/17/{what}"), 404, "17")
    assert_problem(api_as("publish").post(f"/outbox/17/{what}"), 403)
    viewer = browser_of("viewer")
    form["csrf_token"] = csrf_of_session(viewer)
    assert viewer.post(f"/outbox/17/{what}", data=form).status_code == 403


def test_the_api_tells_all_that_the_command_line_tells(api_as) -> None:
    told = api_as("read").get("/outbox?limit=1").get_json()
    assert (told["waiting"], told["later"], told["refused"]) == (3, 1200, 2)
    assert told["relay"]["lag"] == 2 and told["relay"]["owner"] == "pc-4711-ab12"
    (first,) = told["items"]
    (second,) = api_as("read").get(f"/outbox?limit=1&cursor={told['next']}").get_json()["items"]
    assert (first["id"], second["id"]) == (18, 17) and "ten" in first["problem"]
