"""The pages of projections: how far each is, what stopped it, and an operator's hand on it."""

from __future__ import annotations

import pytest

from tests.web.test_auth import csrf_of_session


def test_the_list_says_how_far_each_is_and_who_follows(browser_of) -> None:
    page = browser_of("viewer").get("/projections").text
    assert "2 events, 1.5 s" in page and "followed by pc-4711-ab12" in page
    assert "stopped" in page.lower() and "of the console" in page.lower()
    assert "<b>&#39;buyer" not in page and "<b>'buyer" not in page


def test_an_empty_list_teaches(browser_of, platform) -> None:
    platform.projections.list = lambda: []
    platform.projections.all = lambda: []
    page = browser_of("viewer").get("/projections").text
    assert "@projection" in page and "@reactor" in page and "-Q system" in page


def test_a_viewer_sees_and_an_operator_acts(browser_of) -> None:
    seen = browser_of("viewer").get("/projections/sales").text
    assert "/projections/sales/pause" not in seen
    page = browser_of("operator").get("/projections/sales").text
    assert all(f"/projections/sales/{what}" in page for what in ("pause", "rebuild", "reset"))
    stopped = browser_of("operator").get("/projections/thanks").text
    assert "/projections/thanks/skip" in stopped and "/projections/thanks/resume" in stopped
    assert "/projections/thanks/rebuild" not in stopped  # a reactor's effects happen once
    assert browser_of("viewer").get("/projections/nothing").status_code == 404


@pytest.mark.parametrize("what", ["pause", "resume", "skip", "rebuild", "reset"])
def test_each_deed_is_done_said_and_audited(browser_of, platform, what) -> None:
    browser = browser_of("operator")
    form = {"csrf_token": csrf_of_session(browser), "reason": "a try"}
    sent = browser.post(f"/projections/sales/{what}", data=form)
    assert (sent.status_code, sent.headers["Location"]) == (303, "/projections/sales")
    assert "sales " in browser.get("/projections/sales").text
    (line,) = platform.audit.find(target="projection:sales").items
    assert line["actor"] == "user:operator"
    assert browser_of("viewer").post(f"/projections/sales/{what}", data=form).status_code in (
        400,
        403,
    )


def test_the_page_of_commands_shows_what_was_given_to_those_who_may_see_it(browser_of) -> None:
    page = browser_of("operator").get("/commands").text
    assert "order-7" in page and "there is no &lt;i&gt;gold" in page and "item and pieces" in page
    assert "order-7" not in browser_of("operator").get("/commands?state=done").text
    assert browser_of("operator").get("/commands?state=odd").status_code == 422
    seen = browser_of("viewer").get("/commands").text
    assert "Sell pieces of an item." in seen and "order-7" not in seen
