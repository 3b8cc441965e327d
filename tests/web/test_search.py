"""Searching for anything by the API, the page and the command line: the same, by role."""

from __future__ import annotations

import pytest

from tests.web.problems import assert_problem
from web.places import MORE, NAVIGATION


def test_what_is_found_leads_to_its_page(api, platform, browser_of) -> None:
    browser = browser_of("admin")
    letter, event = platform.data["letters"][0], platform.data["events"][0]
    event["subject"] = "about this"
    known = [
        letter["id"], letter["group"], event["id"], event["subject"], "rp000001", "digits",
        "pc-4711-ab12", "shop.handlers.charge", "order.placed", "order", "audit", "publish", "sales",
        platform.data["runs"][0]["correlationid"],
    ]  # fmt: skip
    seen = set()
    for q in known:
        answer = api.get("/search", query_string={"q": q}).get_json()
        assert answer["items"] and answer["unasked"] == [], q
        page = browser.get("/search", query_string={"q": q}).text
        for one in answer["items"]:
            seen.add(one["kind"])
            assert browser.get(one["href"]).status_code == 200, one
            assert f'href="{one["href"]}"'.replace("&", "&amp;") in page, one
    assert seen == {
        "page", "action", "run", "event", "dead-letter", "group", "replay", "subscription",
        "topic", "type", "dataset", "model", "projection", "worker", "subject", "key",
    }  # fmt: skip


def test_pages_are_found_by_those_who_may_open_them(api_as, browser_of) -> None:
    viewer, admin = browser_of("viewer"), browser_of("admin")
    for _, path, title, level in MORE:
        hrefs = {
            name: {one["href"] for one in api_as(scope).get(f"/search?q={title}").json["items"]}
            for name, scope in (("viewer", "read"), ("admin", "admin"))
        }
        assert path in hrefs["admin"]
        assert (path in hrefs["viewer"]) == (level == "viewer")
        assert admin.get(path).status_code == 200
        own = level == "viewer" or "#" in path  # a part of a page that is open to all
        assert viewer.get(path).status_code == (200 if own else 403)


def test_no_words_or_too_many_are_refused(api, browser_of) -> None:
    assert_problem(api.get("/search"), 422, "Say what to look for")
    assert_problem(api.get("/search", query_string={"q": "x" * 1001}), 422, "1,000")
    assert "What do you have in hand?" in browser_of("viewer").get("/search").text


def test_keys_lead_to_pages_and_no_two_to_the_same() -> None:
    keys = [key for _, _, key in NAVIGATION]
    assert len(set(keys)) == len(keys)
    assert all(len(key) == 1 and key.isalpha() for key in keys)


@pytest.mark.parametrize("q", ["<script>alert(1)</script>", "a?b#c&d='\"", "ü 🦆", "../..", "%00%"])
def test_what_is_looked_for_is_shown_and_nothing_more(platform, browser_of, q) -> None:
    platform.data["events"][0]["subject"] = q
    platform.data["events"][1]["id"] = q
    page = browser_of("viewer").get("/search", query_string={"q": q})
    assert page.status_code == 200
    assert "<script>alert" not in page.text
    assert "2 things" in page.text
