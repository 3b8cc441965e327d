"""Every route of the app, walked as somebody of each role: who may, and who is refused.

A route says its level with `@requires`; what is open to everybody is listed here
by hand, so that a new route without a role fails this test.
"""

from __future__ import annotations

import re

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.routing import Rule

from tests.web.fakes import FakePlatform
from tests.web.test_auth import csrf_of_session
from web import create_app

OPEN_TO_ALL = {
    "static", "auth.show_sign_in", "auth.try_sign_in", "auth.end_session", "openapi.openapi",
    "health.healthz", "health.readyz",
    "health.metrics",  # asks for a token itself, unless asked from this machine
}  # fmt: skip
MAY = {
    "viewer": {"anybody", "viewer"},
    "operator": {"anybody", "viewer", "publisher", "operator"},
    "admin": {"anybody", "viewer", "publisher", "operator", "administrator"},
}
ENDLESS = {"console.live", "api.stream_events"}


def routes() -> list[tuple[Rule, str]]:
    app = create_app(FakePlatform())
    return [
        (rule, method)
        for rule in app.url_map.iter_rules()
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})
    ]


ROUTES = routes()
GUARDED = [(rule, method) for rule, method in ROUTES if rule.endpoint not in OPEN_TO_ALL]


def path_of(rule: Rule) -> str:
    path = re.sub(r"<int:\w+>", "1", rule.rule)
    path = re.sub(r"<any\((\w+)[^)]*\):\w+>", r"\1", path)
    return re.sub(r"<(?:\w+:)?\w+>", "nope", path)


def test_what_is_open_to_all_exists() -> None:
    assert {rule.endpoint for rule, _ in ROUTES} >= OPEN_TO_ALL


def test_every_other_route_has_a_declared_role(app: Flask) -> None:
    undeclared = {
        rule.endpoint
        for rule, _ in GUARDED
        if getattr(app.view_functions[rule.endpoint], "level", None) is None
    }
    assert undeclared == set()


def test_nobody_gets_in(anonymous: FlaskClient) -> None:
    for rule, method in GUARDED:
        answer = anonymous.open(path_of(rule), method=method)
        if rule.rule.startswith("/api/"):
            assert answer.status_code == 401, rule.rule
        elif method == "GET":
            assert answer.status_code == 302, rule.rule
            assert answer.headers["Location"].startswith("/sign-in"), rule.rule
        else:
            assert answer.status_code in (302, 400), rule.rule  # 400: without a CSRF token


@pytest.mark.parametrize("name", MAY)
def test_everybody_gets_exactly_where_their_role_leads(app: Flask, browser_of, name: str) -> None:
    browser = browser_of(name)
    token = {"X-CSRFToken": csrf_of_session(browser)}
    for rule, method in GUARDED:
        level = app.view_functions[rule.endpoint].level  # type: ignore[attr-defined]
        if rule.endpoint in ENDLESS and level in MAY[name]:
            continue
        body = {"json": {}} if rule.rule.startswith("/api/") and method != "GET" else {}
        answer = browser.open(path_of(rule), method=method, headers=token, **body)
        status = answer.status_code
        answer.close()
        where = f"{method} {rule.rule} as {name}: {status}"
        assert (status == 403) == (level not in MAY[name]), where
        assert status != 401 and status < 500, where
