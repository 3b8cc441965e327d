"""Every changing route of the app goes by the door: none leaves without a line in the audit log.

What a core function notes is looked at where it runs on a real platform (test_api_real.py and
the console's test_real.py): there the door must never have had to write a line itself.
"""

from __future__ import annotations

from flask import Flask
from flask.testing import FlaskClient

from tests.web.fakes import FakePlatform
from tests.web.test_auth import csrf_of_session
from tests.web.test_roles import path_of
from web.auth.door import FORGOTTEN

CHANGES_NOTHING = {
    "api.publish_events", "api.give_command", "console.give_by_hand", "api.predict", "api.try_subscription_filter",
    "console.try_subscription_filter", "console.set_theme",
}  # fmt: skip


def changing(app: Flask):
    for rule in app.url_map.iter_rules():
        for method in sorted((rule.methods or set()) - {"GET", "HEAD", "OPTIONS"}):
            yield rule, method


def exempt(app: Flask) -> set[str]:
    return {
        rule.endpoint
        for rule, _ in changing(app)
        if hasattr(app.view_functions[rule.endpoint], "unaudited")
    }


def test_what_needs_no_line_is_listed_here_and_says_why(app: Flask) -> None:
    assert exempt(app) == CHANGES_NOTHING
    assert all(app.view_functions[name].unaudited for name in CHANGES_NOTHING)


def test_no_other_route_can_change_something_without_a_line(
    app: Flask, platform: FakePlatform, browser_of
) -> None:
    browser: FlaskClient = browser_of("admin")
    token = {"X-CSRFToken": csrf_of_session(browser), "X-Request-Id": "request-0001"}
    walked = 0
    for rule, method in changing(app):
        if rule.endpoint in CHANGES_NOTHING:
            continue
        app.view_functions[rule.endpoint] = lambda **_: "changed, and nothing noted"
        path = path_of(rule)
        assert browser.open(path, method=method, headers=token).status_code == 200
        (line,) = platform.audit.find(action=FORGOTTEN, target=f"{method} {path}").items
        assert (line["actor"], line["cause"]) == ("user:admin", "request-0001")
        assert line["interface"] == ("api" if path.startswith("/api/") else "console")
        walked += 1
    assert walked > 60


def test_what_was_refused_leaves_no_line(app: Flask, platform: FakePlatform, browser_of) -> None:
    browser: FlaskClient = browser_of("admin")
    token = {"X-CSRFToken": csrf_of_session(browser)}
    before = len(platform.audit.rows)
    answer = browser.post("/subscriptions/nope/resume", headers=token)
    assert answer.status_code in (303, 404)
    assert browser.post("/theme", data={"theme": "dark"}, headers=token).status_code == 303
    assert len(platform.audit.rows) == before


def test_where_it_comes_from_is_on_the_page_and_in_the_export(platform, browser_of) -> None:
    browser: FlaskClient = browser_of("admin")
    token = {"X-CSRFToken": csrf_of_session(browser), "X-Request-Id": "request-0002"}
    browser.post("/people", data={"name": "eve", "role": "viewer"}, headers=token)
    page = browser.get("/audit?cause=request-0002").text
    assert "user.created" in page
    assert "127.0.0.1" in page
    assert "mail provider is down" not in page
    assert '"interface":"console"' in browser.get("/audit/export/jsonl?cause=request-0002").text
