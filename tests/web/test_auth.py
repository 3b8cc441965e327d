"""Who gets in: sessions, tokens, roles, scopes, CSRF, the throttle."""

from __future__ import annotations

import re

import pytest

from tests.web.conftest import Api, csrf_of, sign_in
from tests.web.fakes import API_TOKEN, FakePlatform
from tests.web.problems import assert_problem
from web import create_app
from web.api.routes import ROUTES
from web.auth.identity import LEVELS, Identity
from web.auth.views import local_path

# What each scope's token and each role's session may do, written out by hand.
MAY = {
    "read": {"anybody", "viewer"},
    "publish": {"anybody", "publisher"},
    "operate": {"anybody", "viewer", "operator"},
    "admin": {"anybody", "viewer", "publisher", "operator", "administrator"},
}
ROLES_MAY = {
    "viewer": {"anybody", "viewer"},
    "operator": {"anybody", "viewer", "publisher", "operator"},
    "admin": {"anybody", "viewer", "publisher", "operator", "administrator"},
}
SAMPLE = {
    "id": "nope", "name": "nope", "type": "nope", "correlationid": "nope",
    "stream": "nope",
}  # fmt: skip


def filled(path: str) -> str:
    path = re.sub(r"<int:\w+>", "1", path)
    for name, value in SAMPLE.items():
        path = re.sub(rf"<(?:\w+:)?{name}>", value, path)
    assert "<" not in path
    return path


def called(caller, row):
    answer = caller(row.method, filled(row.path), json={} if row.method != "GET" else None)
    status = answer.status_code
    answer.close()
    return status


@pytest.mark.parametrize("row", ROUTES, ids=lambda row: row.endpoint)
def test_every_route_is_open_to_exactly_those_scopes(api_as, row) -> None:
    for scope, levels in MAY.items():
        status = called(api_as(scope), row)
        assert (status == 403) == (row.level not in levels), (scope, status)
        assert status not in (401, 500), (scope, status)


@pytest.mark.parametrize("row", ROUTES, ids=lambda row: row.endpoint)
def test_every_route_is_open_to_exactly_those_roles(app, browser_of, row) -> None:
    for name, levels in ROLES_MAY.items():
        browser = browser_of(name)
        token = {"X-CSRFToken": csrf_of_session(browser)}
        answer = browser.open(f"/api/v1{filled(row.path)}", method=row.method, headers=token,
                              json={} if row.method != "GET" else None)  # fmt: skip
        answer.close()
        assert (answer.status_code == 403) == (row.level not in levels), (name, answer.status_code)
        assert answer.status_code not in (401, 500), (name, answer.status_code)


def csrf_of_session(browser) -> str:
    from flask_wtf.csrf import generate_csrf

    with browser.application.test_request_context():
        from flask import session

        with browser.session_transaction() as kept:
            session.update(kept)
            token = generate_csrf()
            kept.update(session)
        return token


@pytest.mark.parametrize("row", ROUTES, ids=lambda row: row.endpoint)
def test_nobody_gets_in_without_a_token_or_a_session(anonymous, row) -> None:
    answer = anonymous.open(f"/api/v1{filled(row.path)}", method=row.method, data=b"{}")
    assert_problem(answer, 401, "Authorization: Bearer")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("header", [
    "Bearer wrong", "Bearer ", "Bearer", "bearer x y", f"Bearer {API_TOKEN}x", "Bearer \xff\xfe",
    f"Bearer {API_TOKEN[:-1]}", "Token abc", "Basic YWRtaW46YWRtaW4=",
])  # fmt: skip
def test_a_wrong_token_is_401(anonymous, header: str) -> None:
    answer = anonymous.get("/api/v1/runs", headers={"Authorization": header})
    assert_problem(answer, 401)


def test_the_bootstrap_token_is_an_administrators(app) -> None:
    api = Api(app, API_TOKEN)
    assert api.get("/runs").status_code == 200
    paused = api.post("/subscriptions/shop.handlers.charge/pause").get_json()
    assert paused["paused"]["by"] == "token:bootstrap"


def test_without_a_bootstrap_token_none_is_one() -> None:
    app = create_app(FakePlatform(api_token=None))
    for secret in ("None", "", API_TOKEN):
        assert Api(app, secret).get("/runs").status_code == 401


def test_a_revoked_token_is_out_at_once(app, platform, api_as) -> None:
    api = api_as("read")
    assert api.get("/runs").status_code == 200
    platform.tokens.revoke("t1")
    assert_problem(api.get("/runs"), 401, "revoked")


def test_a_bad_token_is_not_rescued_by_a_session(browser_of) -> None:
    browser = browser_of("admin")
    assert browser.get("/api/v1/runs").status_code == 200
    answer = browser.get("/api/v1/runs", headers={"Authorization": "Bearer wrong"})
    assert answer.status_code == 401


def test_signing_in_and_out(app, platform) -> None:
    browser = sign_in(app, "operator", next="/runs?state=failed")
    assert browser.get("/api/v1/runs").status_code == 200
    assert platform.audit.rows[0]["action"] == "user.signed-in"
    token = csrf_of_session(browser)
    assert browser.post("/sign-out", data={"csrf_token": token}).status_code == 302
    assert browser.get("/api/v1/runs").status_code == 401


def test_the_cookie_is_strict_and_secure_behind_https(app) -> None:
    client = app.test_client()
    https = {"X-Forwarded-Proto": "https"}
    page = client.get("/sign-in", headers=https)
    assert "Secure" in page.headers["Set-Cookie"]
    assert "HttpOnly" in page.headers["Set-Cookie"]
    assert "SameSite=Lax" in page.headers["Set-Cookie"]
    assert "Secure" not in app.test_client().get("/sign-in").headers["Set-Cookie"]


def test_what_a_cache_may_keep_carries_no_cookie(app, browser_of) -> None:
    browser = browser_of("admin")
    assert "Set-Cookie" in browser.get("/api/v1/runs").headers  # the session goes on
    with app.test_request_context():
        url = app.url_for("static", filename="console.css")
    answer = browser.get(url)
    assert "public" in answer.headers["Cache-Control"]
    assert "Set-Cookie" not in answer.headers


def test_a_session_begins_with_a_new_cookie(app) -> None:
    client = app.test_client()
    token = csrf_of(client.get("/sign-in").text)
    with client.session_transaction() as session:
        session["planted"] = "by an attacker"
    client.post("/sign-in", data={"username": "admin", "password": "admin-password",
                                  "csrf_token": token})  # fmt: skip
    with client.session_transaction() as session:
        assert "planted" not in session


def test_a_changed_password_or_role_ends_the_sessions(app, platform, browser_of) -> None:
    first, second = browser_of("operator"), browser_of("viewer")
    platform.users.set_password("operator", "another-password")
    platform.users.set_role("viewer", "operator")
    assert first.get("/api/v1/runs").status_code == 401
    assert second.get("/api/v1/runs").status_code == 401


def test_a_disabled_user_is_out_at_once(platform, browser_of) -> None:
    browser = browser_of("operator")
    platform.users.get("operator").active = False
    assert browser.get("/api/v1/runs").status_code == 401


def test_somebody_who_left_is_shut_out_and_their_tokens_are_named(platform, browser_of) -> None:
    admin, other = browser_of("admin"), browser_of("operator")
    platform.tokens.create("deploys", ["publish"], None, "user:operator")
    token = {"X-CSRFToken": csrf_of_session(admin)}

    def told(path: str) -> str:
        return admin.post(path, headers=token, data={"reason": "left"}, follow_redirects=True).text

    page = told("/people/operator/shutout")
    assert "can&#39;t sign in any more" in page
    assert "made tokens that still work: deploys" in page
    assert other.get("/api/v1/runs").status_code == 401
    assert "may sign in again" in told("/people/operator/letin")
    told("/people/admin/shutout")
    assert admin.get("/people").status_code == 200
    done = [row["action"] for row in platform.audit.rows if row["target"] == "operator"]
    assert {"user.shut-out", "user.let-in"} <= set(done)


@pytest.mark.parametrize(("name", "password"), [
    ("admin", "wrong"), ("admin", ""), ("nobody", "admin-password"), ("", ""),
    ("admin", "x" * 5000), ("admin' OR 1=1 --", "x"), ("<b>me</b>", "x"),
])  # fmt: skip
def test_a_wrong_password_is_told_the_same_for_every_name(app, name: str, password: str) -> None:
    client = app.test_client()
    token = csrf_of(client.get("/sign-in").text)
    answer = client.post("/sign-in", data={"username": name, "password": password,
                                           "csrf_token": token})  # fmt: skip
    assert answer.status_code == 401
    assert "go together" in answer.text
    assert "<b>me" not in answer.text


def test_passwords_cant_be_guessed_quickly(app) -> None:
    client = app.test_client()
    token = csrf_of(client.get("/sign-in").text)
    form = {"username": "admin", "password": "wrong", "csrf_token": token}
    statuses = [client.post("/sign-in", data=form).status_code for _ in range(11)]
    assert statuses == [401] * 10 + [429]
    # Not even with the right one, nor by spelling the name otherwise.
    right = {**form, "password": "admin-password"}
    assert client.post("/sign-in", data=right).status_code == 429
    assert client.post("/sign-in", data={**right, "username": "ADMIN"}).status_code == 429
    assert "Retry-After" in client.post("/sign-in", data=right).headers
    # Somebody else still gets in.
    sign_in(app, "operator")


def test_who_gets_in_may_come_back_as_often_as_they_like(app) -> None:
    for _ in range(25):
        sign_in(app, "operator")


def test_an_account_of_ones_own_does_not_wipe_out_the_tries_at_another(app) -> None:
    client = app.test_client()
    token = csrf_of(client.get("/sign-in").text)
    for _ in range(10):
        client.post("/sign-in", data={"username": "admin", "password": "x", "csrf_token": token})
        sign_in(app, "viewer")
    right = {"username": "admin", "password": "admin-password", "csrf_token": token}
    assert client.post("/sign-in", data=right).status_code == 429


def test_an_address_with_many_names_is_stopped_too(app) -> None:
    client = app.test_client()
    token = csrf_of(client.get("/sign-in").text)
    statuses = {
        client.post("/sign-in", data={"username": f"u{n}", "password": "x", "csrf_token": token})
        .status_code for n in range(61)
    }  # fmt: skip
    assert statuses == {401, 429}


def test_an_address_that_is_only_claimed_gives_no_new_tries(app) -> None:
    client = app.test_client()
    token = csrf_of(client.get("/sign-in").text)
    form = {"username": "admin", "password": "wrong", "csrf_token": token}
    statuses = [client.post("/sign-in", data=form, headers={"X-Forwarded-For": f"10.0.0.{n}"})
                .status_code for n in range(11)]  # fmt: skip
    assert statuses[-1] == 429


@pytest.mark.parametrize("target", [
    "https://evil.example/", "//evil.example/", "/\\evil.example", "/\t/evil.example", "\\\\evil",
    "javascript:alert(1)", "/ /evil.example", "evil.example", "/%0d%0aSet-Cookie:x=1\r\n", "",
    "http:evil.example", "///evil.example",
])  # fmt: skip
def test_nobody_is_sent_to_another_site(target: str) -> None:
    assert local_path(target) == "/"


@pytest.mark.parametrize("target", ["/", "/runs?state=failed&q=a%20b", "/events/x#y", "/a//b"])
def test_a_path_of_this_site_is_kept(target: str) -> None:
    assert local_path(target) == target


def test_after_signing_in_one_lands_where_one_wanted(app) -> None:
    client = app.test_client()
    token = csrf_of(client.get("/sign-in").text)
    for target, lands in (("/runs?q=1", "/runs?q=1"), ("//evil.example/x", "/")):
        answer = client.post("/sign-in", data={"username": "viewer", "password": "viewer-password",
                                               "csrf_token": token, "next": target})  # fmt: skip
        assert answer.headers["Location"] == lands
        token = csrf_of_session(client)


def test_a_change_by_a_session_needs_its_csrf_token(app, browser_of, platform) -> None:
    browser = browser_of("admin")
    path = "/api/v1/subscriptions/shop.handlers.charge/pause"
    for headers in ({}, {"X-CSRFToken": "made up"}, {"Origin": "https://evil.example"}):
        assert_problem(browser.post(path, json={}, headers=headers), 400, "not sent from this site")
    other = csrf_of_session(browser_of("operator"))
    assert_problem(browser.post(path, json={}, headers={"X-CSRFToken": other}), 400)
    assert platform.subscriptions.get("shop.handlers.charge")["paused"] is None
    mine = {"X-CSRFToken": csrf_of_session(browser)}
    assert browser.post(path, json={}, headers=mine).status_code == 200


def test_signing_in_needs_a_csrf_token_too(anonymous) -> None:
    answer = anonymous.post("/sign-in", data={"username": "admin", "password": "admin-password"})
    assert answer.status_code == 400


OPEN = {"auth.show_sign_in", "auth.try_sign_in", "auth.end_session", "health.healthz",
        "health.readyz", "health.metrics", "openapi.openapi", "static"}  # fmt: skip


def test_every_view_says_who_may_see_it(app) -> None:
    for name, view in app.view_functions.items():
        assert (name in OPEN) != (getattr(view, "level", None) in LEVELS), name


def test_a_viewer_changes_nothing_in_the_console(app, platform, browser_of) -> None:
    browser = browser_of("viewer")
    # A command may be declared for viewers: the core asks for its own role (tests/console/test_publishing.py).
    viewers = {"console.set_theme", "console.revoke_session", "console.give_by_hand"}
    token = csrf_of_session(browser)
    changed = len(platform.audit.rows)
    tried = 0
    for rule in app.url_map.iter_rules():
        if not rule.endpoint.startswith("console.") or rule.endpoint in viewers:
            continue
        if app.view_functions[rule.endpoint].level == "viewer":
            assert "POST" not in rule.methods, rule
            continue
        # `<any(pause, resume):what>` takes one of its words, all others take anything.
        path = re.sub(r"<[^<>]*>", "1", re.sub(r"<any\((\w+)[^<>]*>", r"\1", rule.rule))
        method = "POST" if "POST" in rule.methods else "GET"
        answer = browser.open(path, method=method, data={"csrf_token": token})
        assert answer.status_code in (403, 404), (path, answer.status_code)
        tried += answer.status_code == 403
    assert tried > 15
    assert len(platform.audit.rows) == changed


def test_strangers_see_nothing_of_the_console(app) -> None:
    stranger = app.test_client()
    for rule in app.url_map.iter_rules():
        if rule.endpoint.startswith("console.") and "GET" in rule.methods:
            answer = stranger.get(re.sub(r"<[^<>]*>", "1", rule.rule))
            assert answer.status_code == 302, rule
            assert answer.headers["Location"].startswith("/sign-in?next="), rule


def test_unknown_scopes_and_roles_grant_nothing() -> None:
    for identity in (Identity.of_token("x", ["root"]), Identity.of_user("x", "owner"),
                     Identity.of_token("x", [])):  # fmt: skip
        assert not any(identity.may(level) for level in LEVELS)
