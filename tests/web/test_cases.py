"""The page of a join's or a process's keys."""

from __future__ import annotations

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


def test_a_viewer_does_not(browser_of, api_as) -> None:
    assert browser_of("viewer").get(PATH).status_code == 403
    assert_problem(api_as("read").get(PATH), 403)
    (one,) = api_as("operate").get(f"{PATH}?state=unpaid").get_json()["items"]
    assert one["fields"] == {"amount": 12}
    assert_problem(api_as("operate").get("/subscriptions/nothing/cases"), 404)
