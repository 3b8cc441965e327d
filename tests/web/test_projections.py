"""The pages of projections: how far each is, what stopped it, and an operator's hand on it."""

from __future__ import annotations

import pytest

from tests.web.test_auth import csrf_of_session
from web.console.recent import forget


def test_the_list_says_how_far_each_is_and_who_follows(browser_of) -> None:
    page = browser_of("viewer").get("/projections").text
    assert "2 events, 1.5 s" in page and "followed by pc-4711-ab12" in page
    assert "stopped" in page.lower() and "of the console" in page.lower()
    assert "<b>&#39;buyer" not in page and "<b>'buyer" not in page


def test_what_stopped_it_leads_to_its_event(browser_of, platform) -> None:
    stopped = platform.projections._rows["thanks"]
    stopped["stopped_by"]["error"] += "\n[SQL: INSERT]"
    for path in ("/projections", "/projections/thanks"):
        page = browser_of("operator").get(path).text
        assert 'href="/positions/31"' in page and "KeyError: &lt;b&gt;&#39;buyer" in page
        assert ("[SQL" in page) is path.endswith("thanks")
    assert 'href="/events/e-31"' in page and 'href="/positions/7"' in page
    stopped |= {"problem": "31 is no code: version 2", "stopped_by": None}
    for path in ("/projections", "/projections/thanks"):
        page = browser_of("operator").get(path).text
        assert "31 is no code: version 2" in page and "/positions/31" not in page
    assert "/projections/thanks/skip" not in page and "Mend that, and resume" in page
    stopped["older_code"] = True
    page = browser_of("operator").get("/projections/thanks").text
    assert "goes on by itself as soon as newer code follows" in page and "Mend that" not in page
    assert "/projections/thanks/skip" not in page
    by = {"position": 31, "type": "item.sold", "event": "e-31", "error": "comes in version 2"}
    stopped["stopped_by"] = by
    page = browser_of("operator").get("/projections/thanks").text
    assert "Rolled back for good?" in page and "/projections/thanks/skip" in page
    assert "Skip all 3 of them" in page and 'name="until" value="42"' in page
    assert "above 1, the newest that this code reads" in page
    assert "skip-newer" not in browser_of("viewer").get("/projections/thanks").text


def test_what_is_held_up_says_where_and_what_to_do(browser_of, platform) -> None:
    platform.projections._rows["sales"]["slow"] = {
        "since": "2026-01-01T00:00:00Z", "position": 41, "type": "item.<b>", "worker": "pc-4711-ab12",
        "what_to_do": "Stop the worker <i>pc-4711-ab12.",
    }  # fmt: skip
    assert "Held up at item.&lt;b&gt;" in browser_of("viewer").get("/projections").text
    page = browser_of("viewer").get("/projections/sales").text
    assert "Stop the worker &lt;i&gt;pc" in page and 'href="/workers/pc-4711-ab12"' in page


def test_what_gave_way_to_a_newer_version_is_said_to_stand_still(browser_of, platform) -> None:
    beside = {"version": 2, "position": 10, "progress": 0.2, "problem": None, "stopped_by": None}
    platform.projections._rows["sales"] |= {"state": "superseded", "building": beside}
    assert "Stands still" in browser_of("viewer").get("/projections").text
    page = browser_of("operator").get("/projections/sales").text
    assert "stand still at the position 40" in page and "/projections/sales/pause" in page


def test_what_no_live_workers_code_has_is_said_to_stand_still_and_can_be_forgotten(
    browser_of, platform
) -> None:
    row, told = platform.projections._rows["sales"], "No live worker has its code"
    for declared, is_told, removable in (
        (True, False, False), (False, True, True), (None, False, True)
    ):  # fmt: skip
        row["declared"] = declared
        page = browser_of("operator").get("/projections/sales").text
        assert (told in page, "/projections/sales/remove" in page) == (is_told, removable)
        assert ("/projections/sales/reset" in page) is not is_told  # nothing would fill it again
    row["declared"], platform.projections._rows["thanks"]["declared"] = False, True
    listed = browser_of("viewer").get("/projections").text
    assert "Stands still" in listed and told in listed


def test_what_waits_for_a_removal_is_offered_nothing_that_it_cannot_do(
    browser_of, platform
) -> None:
    row = platform.projections._rows["sales"]
    beside = {
        "version": 1,
        "position": 40,
        "progress": 1.0,
        "problem": "remove old",
        "stopped_by": None,
    }
    row |= {"live": False, "state": "stopped", "problem": "remove old", "building": beside}
    page = browser_of("operator").get("/projections/sales").text
    assert "/sales/reset" not in page and "/sales/rebuild" not in page and "/sales/cancel" in page


def test_the_overview_says_once_that_it_is_stopped(browser_of, platform, app) -> None:
    assert "waiting for a hand" in browser_of("viewer").get("/").text  # something else is worse
    for row in platform.data["subscriptions"]:
        row["state"] = "healthy"
    with app.app_context():
        forget()
    page = browser_of("viewer").get("/").text
    assert "thanks is stopped" in page and "waiting for a hand" not in page


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


def test_what_is_no_more_in_the_code_is_removed_and_what_is_there_is_not(browser_of) -> None:
    browser = browser_of("operator")
    form = {"csrf_token": csrf_of_session(browser), "reason": "renamed"}
    sent = browser.post("/projections/thanks/remove", data=form)
    assert (sent.status_code, sent.headers["Location"]) == (303, "/projections")
    assert "thanks is removed" in browser.get("/projections").text
    assert browser.get("/projections/thanks").status_code == 404
    sent = browser.post("/projections/sales/remove", data=form)
    assert sent.headers["Location"] == "/projections/sales"
    assert "is still there, in pc-4711-ab12" in browser.get("/projections/sales").text
    assert "/remove" not in browser_of("viewer").get("/projections/sales").text


def test_what_was_done_by_hand_stands_on_its_page(browser_of, platform) -> None:
    platform.audit.record(
        "user:ann", "projection.paused", "projection:sales", reason="the <b>books"
    )
    page = browser_of("operator").get("/projections/sales").text
    assert "Paused" in page and "the &lt;b&gt;books" in page and "/audit?" not in page
    assert "/audit?target=projection%3Asales" in browser_of("admin").get("/projections/sales").text
    assert "the &lt;b&gt;books" not in browser_of("viewer").get("/projections/sales").text


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


def test_an_operator_asks_how_it_was_and_sees_what_differs(browser_of, platform) -> None:
    browser = browser_of("operator")
    assert "As it was at an earlier moment" in browser.get("/projections/sales").text
    form = {"csrf_token": csrf_of_session(browser)}
    sent = browser.post("/projections/sales/as-of", data={**form, "at": "2h"})
    assert (sent.status_code, sent.headers["Location"]) == (
        303,
        "/projections/sales/as-of/look-3#moment",
    )
    page = browser.get(sent.headers["Location"]).text
    assert "<del>" in page and "1 new since, 1 gone, 1 changed" in page and "11 events" in page
    assert "&lt;i&gt;milk" in page and "<i>milk" not in page
    (line,) = platform.audit.find(target="projection:sales").items
    assert line["action"] == "projection.asked"
    assert "Nothing yet." in browser.get("/projections/sales").text  # it changed nothing
    for wrong in ({"at": "soon"}, {"position": "one"}, {"position": "99"}):
        sent = browser.post("/projections/sales/as-of", data={**form, **wrong})
        page = browser.get(sent.headers["Location"]).text  # with what was typed
        assert 'role="alert"' in page and f'value="{next(iter(wrong.values()))}"' in page
    assert 'data-live="clock"' in browser.get("/projections/sales/as-of/look-2").text
    assert browser.get("/projections/thanks/as-of/look-1").status_code == 404


def test_rows_of_the_past_are_not_for_viewers(browser_of) -> None:
    browser = browser_of("viewer")
    assert "As it was" not in browser.get("/projections/sales").text
    assert browser.get("/projections/sales/as-of/look-1").status_code == 403
    form = {"csrf_token": csrf_of_session(browser), "at": "2h"}
    assert browser.post("/projections/sales/as-of", data=form).status_code == 403


def test_the_api_asks_by_the_same_function(api_as) -> None:
    api = api_as("operate")
    told = api.post("/projections/sales/as-of", {"at": "2h"})
    assert (told.status_code, told.get_json()["answer"]["position"]) == (200, 12)
    again = told.headers["Location"].removeprefix("/api/v1")
    assert api.get(again).get_json() == told.get_json()
    assert api.post("/projections/sales/as-of", {"position": 99}).status_code == 422
    assert api.post("/projections/sales/as-of", {"at": "soon"}).status_code == 400
    assert api.get("/projections/sales/as-of/look-2").get_json()["state"] == "working"
    assert api_as("read").get("/projections/sales/as-of/look-1").status_code == 403
    assert api_as("read").post("/projections/sales/as-of", {"at": "2h"}).status_code == 403


def test_a_command_whose_code_failed_does_not_wait_for_a_worker(browser_of) -> None:
    page = browser_of("operator").get("/commands/given/cmd-w").text
    assert "failed 5 times" in page and "/failures/l-1" in page and "<b>'buyer" not in page
