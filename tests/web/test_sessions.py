"""Sessions are listed, and each can be ended by itself."""

from __future__ import annotations

import pytest

from app.errors import NotFound
from app.store import migrate
from app.store.database import open_databases
from app.store.sessions import LIFETIME, Sessions
from app.testing.clock import FakeClock
from tests.web.conftest import sign_in
from tests.web.test_auth import csrf_of_session


def test_one_session_is_ended_and_the_others_go_on(app) -> None:
    first, second = sign_in(app, "operator"), sign_in(app, "operator")
    listed = first.get("/api/v1/sessions").get_json()["items"]
    assert [row["user"] for row in listed] == ["operator", "operator"]
    token = {"X-CSRFToken": csrf_of_session(first)}
    path = f"/api/v1/sessions/{listed[1]['id']}/revoke"
    assert first.post(path, headers=token).status_code == 200
    assert second.get("/api/v1/runs").status_code == 401
    assert first.get("/api/v1/runs").status_code == 200


def test_nobody_ends_anothers_but_an_administrator(app, platform) -> None:
    viewer, admin = sign_in(app, "viewer"), sign_in(app, "admin")
    assert [r["user"] for r in viewer.get("/api/v1/sessions").get_json()["items"]] == ["viewer"]
    theirs = {r["user"]: r["id"] for r in admin.get("/api/v1/sessions").get_json()["items"]}
    form = {"csrf_token": csrf_of_session(viewer)}
    viewer.post(f"/sessions/{theirs['admin']}/revoke", data=form)
    assert admin.get("/").status_code == 200
    form = {"csrf_token": csrf_of_session(admin)}
    admin.post(f"/sessions/{theirs['viewer']}/revoke", data=form)
    assert viewer.get("/").status_code == 302
    assert platform.audit.rows[0]["action"] == "session.revoked"


def test_a_copied_cookie_is_worth_nothing_after_signing_out(app) -> None:
    browser, thief = sign_in(app, "operator"), app.test_client()
    with browser.session_transaction() as session:
        copied = dict(session)
    with thief.session_transaction() as session:
        session.update(copied)
    browser.post("/sign-out", data={"csrf_token": csrf_of_session(browser)})
    assert thief.get("/api/v1/runs").status_code == 401


def test_rows_count_while_they_are_used(database_url, tmp_path) -> None:
    main, archive = open_databases(database_url, f"sqlite:///{tmp_path / 'archive.db'}")
    migrate.upgrade_all(main, archive)
    clock = FakeClock(1_800_000_000.0)
    sessions = Sessions(main, clock)
    id = sessions.begin("ann", "10.0.0.1", "a browser")
    assert sessions.holds(id, "ann") and not sessions.holds(id, "bob")
    clock.advance(LIFETIME - 1)
    assert sessions.holds(id, "ann")
    clock.advance(LIFETIME - 1)
    assert sessions.holds(id, "ann")
    assert [row["address"] for row in sessions.find("ann")] == ["10.0.0.1"]
    with pytest.raises(NotFound):
        sessions.revoke(id, "user:bob", "bob")
    sessions.revoke(id, "user:ann", "ann")
    assert not sessions.holds(id, "ann")
    other = sessions.begin("ann", "", "")
    clock.advance(LIFETIME + 1)
    assert not sessions.holds(other, "ann") and sessions.find() == []
    main.dispose()
    archive.dispose()
