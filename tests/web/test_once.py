"""A change over HTTP under an `Idempotency-Key`: made once, answered the same again, whoever dies in between."""

from __future__ import annotations

import io
import threading

import pytest
from sqlmodel import select

from app.cqrs.operating import Projections
from app.errors import Unavailable
from app.store import once
from app.store.commands import CommandRow
from app.store.once import Once
from app.testing import FakeClock
from tests.cqrs.test_projections import follow, sell, shop
from tests.support.platforms import platform
from tests.web.conftest import Api
from tests.web.problems import assert_problem
from web import create_app

__all__ = ["platform", "shop"]


@pytest.fixture
def api(shop) -> Api:
    sell(shop, 1)
    follow(shop)
    return client(shop, "client", "operate")


def client(shop, name: str, *scopes: str) -> Api:
    return Api(create_app(shop), shop.tokens.create(name, list(scopes), None, "test")[1])


def pause(api, key="k-1", path="/projections/sales/pause", **body):
    return api.post(path, body, headers={"Idempotency-Key": key})


def lines(shop, action="projection.paused"):
    return shop.audit.find(action=action).items


def test_a_resend_gets_the_same_answer_and_changes_nothing(api, shop) -> None:
    first = pause(api, reason="a look")
    shop.projections.resume("sales", "test")
    again = pause(api, reason="a look")
    assert (again.status_code, again.get_json()) == (200, first.get_json())
    assert again.get_json()["state"] == "paused"
    assert (shop.projections.get("sales")["state"], len(lines(shop))) == ("running", 1)
    assert_problem(pause(api, reason="another"), 409, "k-1")
    assert pause(client(shop, "other", "operate"), reason="a look").status_code == 200
    assert (len(lines(shop)), lines(shop, "request.made")) == (2, [])
    assert api.get("/commands/answers").get_json()["items"] == []  # these are no commands


def test_a_refusal_is_answered_again_and_a_failure_is_tried_again(api, shop, monkeypatch) -> None:
    skip = "/projections/sales/skip"
    told = assert_problem(pause(api, path=skip), 409, "isn't stopped by an event")
    sell(shop, "poison")
    follow(shop)
    assert assert_problem(pause(api, path=skip), 409) == told
    assert pause(api, "k-2", skip).status_code == 200
    with monkeypatch.context() as broken:
        broken.setattr(Projections, "pause", lambda *_: 1 / 0)
        assert pause(api).status_code == 500
    assert pause(api).status_code == 200
    assert_problem(pause(api, "\t"), 422, "printable")


def test_where_only_the_answer_is_lost_a_resend_is_told_what_was_done(
    api, shop, monkeypatch
) -> None:
    def dies(self, claim, answer):
        raise Unavailable("the database is away")

    with monkeypatch.context() as dying:
        dying.setattr(Once, "keep", dies)
        assert pause(api).status_code == 200
    resent = pause(api)
    told = assert_problem(resent, 409, "is being done just now")
    assert (told["type"], resent.headers["Retry-After"]) == (
        "urn:penstock:problem:in-progress",
        "2",
    )
    later = shop.clock.now() + once.TERM + 1
    monkeypatch.setattr(shop.once, "_clock", FakeClock(later))
    assert pause(api).get_json() == {
        "made": {"action": "projection.paused", "target": "projection:sales"}
    }
    assert len(lines(shop)) == 1


def another_claims(shop) -> None:
    with shop.database.session() as session:
        (row,) = session.exec(select(CommandRow)).all()
        row.answer = {**row.answer, "token": "another's"}
        session.add(row)


def test_who_lost_the_claim_undoes_the_change(api, shop, monkeypatch) -> None:
    whole = Projections.pause

    def slow(self, *given):
        """Longer than a claim holds: a resend has begun it again."""
        another_claims(shop)
        whole(self, *given)

    monkeypatch.setattr(Projections, "pause", slow)
    assert_problem(pause(api), 409, "begun again meanwhile")
    assert (shop.projections.get("sales")["state"], lines(shop)) == ("running", [])


def test_who_lost_the_claim_of_what_cannot_be_undone_is_told_it_is_done(api, shop, monkeypatch):
    """A rewind is in Redis before its line is written: that stays, and says who did it."""

    def slow(self, name, actor, reason):
        another_claims(shop)
        shop.audit.record(actor, "projection.paused", f"projection:{name}")
        return self.get(name)

    monkeypatch.setattr(Projections, "pause", slow)
    assert pause(api).status_code == 200
    assert len(lines(shop)) == 1


def test_what_is_told_is_what_failed_where_the_claim_cannot_be_let_go(api, shop, monkeypatch):
    def away(self, *given):
        raise Unavailable("the database is away")

    monkeypatch.setattr(Once, "release", away)
    monkeypatch.setattr(Once, "refuse", away)
    assert_problem(pause(api, path="/projections/sales/skip"), 409, "isn't stopped by an event")
    monkeypatch.setattr(Projections, "pause", lambda *_: 1 / 0)
    assert_problem(pause(api, "k-2"), 500)


def test_a_double_click_is_one(api, shop) -> None:
    told = []
    threads = [
        threading.Thread(target=lambda: told.append(pause(api).status_code)) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert 200 in told and set(told) <= {200, 409}
    assert len(lines(shop)) == 1


def test_an_upload_is_one_for_its_key_and_the_same_file(shop) -> None:
    sender = client(shop, "producer", "publish")

    def upload(table: bytes):
        form = {"name": "churn", "target": "left", "file": (io.BytesIO(table), "churn.csv")}
        return sender("POST", "/datasets", data=form, headers={"Idempotency-Key": "k"})

    first, again = upload(b"a,left\n1,0\n"), upload(b"a,left\n1,0\n")
    assert (first.status_code, again.status_code) == (202, 202)
    assert first.get_json() == again.get_json()
    assert_problem(upload(b"a,left\n2,0\n"), 409, "something else")
    assert len(shop.datasets.get("churn")["versions"]) == 1


def test_a_secret_is_kept_nowhere(shop) -> None:
    made = client(shop, "root", "admin").post(
        "/webhooks", {"name": "crm", "url": "https://crm.example.com/1", "types": ["a.b"]},
        headers={"Idempotency-Key": "k"},
    )  # fmt: skip
    assert made.status_code == 201
    with shop.database.read() as session:
        assert session.exec(select(CommandRow)).all() == []
