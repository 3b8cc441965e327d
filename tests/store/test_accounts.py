"""Users, tokens, audit, schemas and effects."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from argon2 import extract_parameters
from argon2.profiles import RFC_9106_LOW_MEMORY
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError

from app import origin
from app.errors import Conflict, NotFound, Refused
from app.store import effects
from app.store.audit import Audit
from app.store.schemas import SchemaStore
from app.store.tokens import Tokens
from app.store.users import UserRow, Users
from app.store.users import _hasher as full_cost
from tests.store.stories import T0


@pytest.fixture
def users(database, clock):
    return Users(database, clock)


@pytest.fixture
def tokens(database, clock):
    return Tokens(database, clock)


@pytest.fixture
def audit(database, clock):
    return Audit(database, clock)


def test_only_the_right_password_of_an_active_user_fits(users, clock):
    users.create("ada", "a long password", "operator")
    assert users.verify("ada", "another one") is None
    assert users.verify("eve", "a long password") is None
    assert users.verify("ada", "x" * 5000) is None
    clock.time += 60
    ada = users.verify("ada", "a long password")
    assert (ada.role, ada.last_sign_in) == ("operator", "2026-09-21T14:16:00.000000Z")
    users.create("root", "a long password", "administrator")
    users.set_active("ada", False)
    assert users.verify("ada", "a long password") is None


def test_passwords_are_not_kept(users, database):
    users.create("ada", "a long password", "viewer")
    with database.read() as session:
        row = session.get(UserRow, "ada")
    assert row.password_hash.startswith("$argon2id$")
    assert "a long password" not in str(row)


def test_a_hash_is_as_costly_as_the_library_advises(users, database, monkeypatch):
    def cost():
        with database.read() as session:
            return extract_parameters(session.get(UserRow, "ada").password_hash)

    users.create("ada", "a long password", "viewer")
    before = cost()
    monkeypatch.setattr("app.store.users._hasher", full_cost)
    users.verify("ada", "a long password")
    made_again = cost()
    users.set_password("ada", "another password")
    assert before != made_again == cost() == RFC_9106_LOW_MEMORY


def test_changes_end_the_sessions(users):
    versions = [users.create("ada", "a long password", "viewer").session_version]
    versions.append(users.set_password("ada", "another password").session_version)
    versions.append(users.set_role("ada", "operator").session_version)
    versions.append(users.end_sessions("ada").session_version)
    assert versions == [1, 2, 3, 4]
    assert users.verify("ada", "another password").session_version == 4


@pytest.mark.parametrize(
    ("name", "password", "role"),
    [
        ("", "a long password", "viewer"),
        (" ada", "a long password", "viewer"),
        ("a\nb", "a long password", "viewer"),
        ("x" * 101, "a long password", "viewer"),
        ("ada", "short", "viewer"),
        ("ada", "x" * 2000, "viewer"),
        ("ada", "a long password", "king"),
    ],
)
def test_what_is_no_account_is_refused(users, name, password, role):
    with pytest.raises(Refused):
        users.create(name, password, role)


def test_names_are_taken_once_and_must_exist(users):
    users.create("ada", "a long password", "viewer")
    with pytest.raises(Conflict):
        users.create("ada", "a long password", "viewer")
    with pytest.raises(NotFound):
        users.set_password("eve", "a long password")
    assert [user.name for user in users.find()] == ["ada"]


def test_there_is_always_an_administrator(users):
    users.create("ada", "a long password", "administrator")
    with pytest.raises(Conflict, match="only administrator"):
        users.set_role("ada", "viewer")
    with pytest.raises(Conflict, match="only administrator"):
        users.set_active("ada", False)
    users.create("eve", "a long password", "administrator")
    assert users.set_role("ada", "viewer").role == "viewer"


def test_a_token_is_known_by_its_secret_until_it_ends(tokens, clock):
    token, secret = tokens.create("ci", ["publish", "read"], T0 + 100, "user:ada")
    assert secret.startswith("pst_")
    assert secret.startswith(token.prefix)
    assert token.scopes == ["read", "publish"]
    assert tokens.verify(secret).id == token.id
    assert tokens.verify(secret + "x") is None
    assert tokens.verify("") is None
    clock.time += 100
    assert tokens.verify(secret) is None


def test_a_revoked_token_is_unknown(tokens):
    token, secret = tokens.create("ci", ["read"], None, "user:ada")
    assert tokens.revoke(token.id).revoked
    assert tokens.revoke(token.id).revoked
    assert tokens.verify(secret) is None
    with pytest.raises(NotFound):
        tokens.revoke("nobody's")


def test_a_tokens_use_is_noted_and_its_secret_is_not_kept(tokens, database, clock):
    _, secret = tokens.create("ci", ["read"], None, "user:ada")
    clock.time += 5
    tokens.verify(secret)
    assert tokens.find()[0].last_used == "2026-09-21T14:15:05.000000Z"
    with database.read() as session:
        assert secret not in str(session.execute(text("SELECT * FROM tokens")).all())


@pytest.mark.parametrize(
    ("name", "scopes", "expires"),
    [("", ["read"], None), ("x", [], None), ("x", ["all"], None), ("x", ["read"], T0 - 1)],
)
def test_what_is_no_token_is_refused(tokens, name, scopes, expires):
    with pytest.raises(Refused):
        tokens.create(name, scopes, expires, "user:ada")


def test_the_audit_log_is_found_by_who_and_what(audit, clock):
    for number in range(5):
        clock.time += 1
        audit.record("user:ada", "model.promoted", f"m{number}", 1, {"v": 2}, reason="better")
    audit.record("token:ci", "replay.started", "r1")
    page = audit.find(actor="user:ada", limit=3)
    assert [row["target"] for row in page.items] == ["m4", "m3", "m2"]
    rest = audit.find(actor="user:ada", limit=3, cursor=page.next)
    assert [row["target"] for row in rest.items] == ["m1", "m0"]
    assert rest.next is None
    found = rest.items[0]
    assert (found["before"], found["after"], found["details"]) == (
        1,
        {"v": 2},
        {"reason": "better"},
    )
    assert [r["action"] for r in audit.find(action="replay.started").items] == ["replay.started"]
    assert len(audit.find(since=T0 + 3, until=T0 + 5).items) == 2
    with origin.of(origin.Origin("api", cause="r-1")):
        audit.record("token:ci", "replay.paused", "r1")
        audit.record("token:ci", "replay.resumed", "r1")
    assert audit.together(["r-1", "r-2", None]) == {"r-1"} and audit.together([None]) == set()
    assert all(r["action"] != "replay.started" for r in audit.find(without="replay.started").items)


def test_the_audit_log_can_only_grow(audit, database):
    audit.record("user:ada", "model.promoted", "digits")
    for statement in ("UPDATE audit SET actor = 'user:eve'", "DELETE FROM audit"):
        with pytest.raises(DBAPIError, match="append-only"), database.session() as session:
            session.execute(text(statement))
    assert audit.find().items[0]["actor"] == "user:ada"


def test_an_audit_row_can_share_a_transaction(audit, database):
    def change_ones_mind():
        with database.session() as session:
            audit.record("user:ada", "model.promoted", "digits", session=session)
            raise RuntimeError("changed my mind")

    with pytest.raises(RuntimeError, match="changed my mind"):
        change_ones_mind()
    assert audit.find().items == []


def test_workers_that_start_at_once_save_the_same_schemas(database, clock):
    schemas = SchemaStore(database, clock)
    types = [f"a.b{number}" for number in range(20)]
    ready = threading.Barrier(4)

    def save_all(_: int) -> None:
        ready.wait()
        for name in types:
            schemas.save(name, 1, "a", {"type": "object"})

    with ThreadPoolExecutor(4) as workers:
        list(workers.map(save_all, range(4)))  # raises what a worker raised
    assert [row["type"] for row in schemas.all()] == sorted(types)


def test_the_newest_schema_counts_and_all_are_kept(database, clock):
    schemas = SchemaStore(database, clock)
    assert schemas.save("a.b", 1, "a", {"type": "object"}, "run", "One.")
    assert not schemas.save("a.b", 1, "a", {"type": "object"}, "run", "One.")
    assert schemas.save("a.b", 2, "a", {"type": "string"}, "packed")
    assert schemas.save("a.b", 1, "a", {"type": "array"})
    assert schemas.get("a.b")["version"] == 2
    assert [(row["version"], row["schema"]["type"]) for row in schemas.all()] == [
        (2, "string"),
        (1, "array"),
    ]
    assert schemas.get("c.d") is None


def test_a_deliverys_effects_are_marked_once(database):
    with database.session() as session:
        assert effects.find(session, "d1") is None
        effects.add(session, "d1", [{"type": "a.b"}], T0)
    with database.read() as session:
        assert effects.find(session, "d1") == [{"type": "a.b"}]
    with pytest.raises(IntegrityError), database.session() as session:
        effects.add(session, "d1", [], T0)
    with database.session() as session:
        assert effects.prune(session, T0) == 0
        assert effects.prune(session, T0 + 1) == 1
