"""The page of a join's or a process's keys."""

from __future__ import annotations

from tests.web.conftest import csrf_of
from tests.web.problems import assert_problem

PATH = "/subscriptions/shop.handlers.charge/cases"


def test_an_operator_sees_which_keys_are_open_and_until_when(browser_of, platform) -> None:
    browser = browser_of("operator")
    assert PATH not in browser.get("/subscriptions/shop.handlers.charge").text
    for row in platform.data["subscriptions"]:
        row["types"] = [*row["types"], "deadline.passed"]
    assert PATH in browser.get("/subscriptions/shop.handlers.charge").text
    page = browser.get(PATH).text
    assert "&lt;b&gt;7" in page and "Unpaid" in page and 'href="/events/e-7"' in page
    assert "1 done, 1 unpaid" in page and "amount" in page
    assert "&lt;b&gt;7" not in browser.get(f"{PATH}?state=done").text
    assert "Nothing matches" in browser.get(f"{PATH}?state=odd").text
    platform.cases.counts = lambda name: {}
    assert "@on_all" in browser.get(f"{PATH}?state=odd").text
    assert browser.get("/subscriptions/nothing/cases").status_code == 404


def test_an_operator_ends_one_that_is_stuck(browser_of, platform) -> None:
    browser = browser_of("operator")
    page = browser.get(PATH).text
    assert page.count(f'action="{PATH}/end"') == 1  # the other one is over
    form = {"csrf_token": csrf_of(page), "key": "order-<b>7", "reason": "lost", "back": PATH}
    ended = browser.post(f"{PATH}/end", data=form, follow_redirects=True)
    assert "Ended the case order-&lt;b&gt;7." in ended.text
    line = platform.audit.find(action="case.ended").items[0]
    assert (line["target"], line["details"]) == (
        "subscription:shop.handlers.charge",
        {"reason": "lost"},
    )
    refused = browser.post(f"{PATH}/end", data={**form, "key": "o-9"}, follow_redirects=True)
    assert "has no case" in refused.text
    assert browser_of("viewer").post(f"{PATH}/end", data=form).status_code in (400, 403)


def test_by_the_api_too(api_as) -> None:
    path, api = "/subscriptions/shop.handlers.charge/cases/end", api_as("operate")
    told = api.post(path, {"keys": ["order-<b>7"], "reason": "lost"})
    assert told.get_json() == {"ended": 1}
    assert_problem(api.post(path, {"keys": ["o-9"]}), 404)
    assert_problem(api.post(path, {"keys": []}), 422)
    assert_problem(api_as("read").post(path, {"keys": ["order-<b>7"]}), 403)


def test_a_viewer_does_not(browser_of, api_as) -> None:
    assert browser_of("viewer").get(PATH).status_code == 403
    assert_problem(api_as("read").get(PATH), 403)
    (one,) = api_as("operate").get(f"{PATH}?state=unpaid").get_json()["items"]
    assert one["fields"] == {"amount": 12}
    assert_problem(api_as("operate").get("/subscriptions/nothing/cases"), 404)
