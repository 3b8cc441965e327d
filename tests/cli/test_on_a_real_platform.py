"""The commands on a real server and a real database, one after the other as people do."""

from __future__ import annotations

import json
import logging
import os
import pwd

import pytest
import redis

from app.store.commands import KnownRow
from app.store.database import Database


@pytest.fixture
def installed(redis_url, tmp_path, monkeypatch, run):
    """An installation that `migrate` has made ready."""
    root = logging.getLogger()
    before = root.handlers[:], root.level
    monkeypatch.setenv("REDIS_URL", redis_url)
    monkeypatch.setenv("PENSTOCK_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("PENSTOCK_SECRET_KEY", "s" * 40)
    monkeypatch.setenv("PENSTOCK_ADMIN_PASSWORD", "a-first-password")
    report = json.loads(run("migrate", "--json").output)
    assert report["administrator"] == "created"
    assert "workers.handlers.train" in report["subscriptions"]
    yield
    root.handlers[:], root.level = before


def answer(run, *command):
    ran = run(*command, "--json")
    assert ran.status == 0, ran.errors
    return json.loads(ran.output)


def test_migrating_again_changes_nothing(installed, run):
    report = answer(run, "migrate")
    assert report["revisions"] == []
    assert report["administrator"] == "exists"


def test_what_is_published_is_in_its_topic_once(installed, run):
    for _ in range(2):
        answer(run, "publish", "order.placed", '{"total": 42}', "--id", "1")
    (topic,) = [row for row in answer(run, "topics")["items"] if row["name"] == "order"]
    assert topic["events"] == 1
    shown = run("tail", "--from-start", "--type", "order.placed", "-n", "1", "--json")
    assert json.loads(shown.output)["data"] == {"total": 42}


def test_what_breaks_its_schema_is_refused_by_its_field(installed, run):
    ran = run("publish", "dataset.uploaded", '{"dataset": 3}')
    assert ran.status == 1
    assert ran.errors.startswith("Error: data")
    assert len(ran.errors.splitlines()) == 1


def test_an_event_may_be_held_back(installed, run, redis_url):
    answer(run, "publish", "reminder.sent", "{}", "--after", "1h")
    with redis.Redis.from_url(redis_url) as client:
        assert not any(b"reminder" in key for key in client.keys("*:topic:*"))


def test_a_lane_that_no_worker_serves_may_be_chosen_and_is_warned_of(installed, run):
    ran = run("subscriptions", "change", "workers.handlers.train", "lane=inference")
    assert ran.status == 0
    assert "No live worker serves the lane inference" in ran.errors
    assert answer(run, "subscriptions", "show", "workers.handlers.train")["served"] is False


def test_what_cannot_be_durable_is_refused_and_not_published(installed, run, redis_url):
    ran = run("publish", "order.placed", "{}", "--durable")
    assert ran.status == 1
    assert "durable publish needs" in ran.errors  # an append-only file, or a newer server
    with redis.Redis.from_url(redis_url) as client:
        assert not client.exists("penstock:topic:order:0")


def test_a_subscription_is_paused_for_everybody(installed, run):
    name = "workers.handlers.train"
    assert run("subscriptions", "pause", name, "--reason", "the disk is full").status == 0
    shown = answer(run, "subscriptions", "show", name)
    assert shown["paused"]["reason"] == "the disk is full"
    assert run("subscriptions", "resume", name).status == 0
    assert answer(run, "subscriptions", "show", name)["paused"] is None


def test_every_list_answers_on_an_empty_installation(installed, run):
    lists = (
        "dead-letters list",
        "dead-letters groups",
        "replays list",
        "runs list",
        "commands given",
    )
    for command in lists:
        assert answer(run, *command.split())["items"] == []
        assert run(*command.split()).status == 0
    names = {row["name"] for row in answer(run, "projections")["items"]}
    assert {"penstock.archive", "penstock.projector", "runs"} <= names


def test_a_position_is_waited_for_and_what_is_none_is_told(installed, run):
    ran = run("projections", "wait", "runs", "order:0=1790000000123-0", "--timeout", "0s")
    assert (ran.status, "has not come to" in ran.output) == (1, True)
    told = run("projections", "wait", "runs", "7", "--timeout", "0s", "--json")
    assert told.status == 1 and json.loads(told.output)["reached"] is False
    assert "X-Position" in run("projections", "wait", "runs", "yesterday").errors
    assert run("projections", "as-of", "sales").status == 2
    assert (
        "No projection 'unheard'"
        in run("projections", "as-of", "unheard", "--position", "1").errors
    )


def test_a_command_that_no_worker_has_done_yet_ends_with_status_1(installed, run, tmp_path):
    url = f"sqlite:///{tmp_path / 'penstock.db'}"
    schema = {"type": "object", "properties": {"item": {"type": "string"}}}
    database = Database(url)
    with database.session() as session:
        session.add(KnownRow(name="item.sell", module="shop", level="operator", json_schema=schema))
    database.dispose()
    asked = ("commands", "run", "item.sell", '{"item": "tea"}', "--send", "--timeout", "0s")
    ran = run(*asked)
    assert (ran.status, "waits for a worker" in ran.output) == (1, True)
    told = run(*asked, "--json")
    assert (told.status, json.loads(told.output)["state"]) == (1, "waiting")
    given = answer(run, "commands", "given")["items"]
    assert {one["actor"] for one in given} == {f"cli:{pwd.getpwuid(os.getuid()).pw_name}"}


def test_people_and_tokens(installed, run):
    assert [user["name"] for user in answer(run, "users", "list")["items"]] == ["admin"]
    answer(run, "users", "add", "ann", "--role", "operator")
    assert run("users", "add", "ann").status == 1
    made = answer(run, "tokens", "create", "ci", "--scope", "read", "--expires", "1d")
    assert made["secret"].startswith("pst_")
    (token,) = answer(run, "tokens", "list")["items"]
    assert (token["id"], token["scopes"]) == (made["id"], ["read"])
    assert run("tokens", "revoke", made["id"]).status == 0


def test_doctor_names_what_is_wrong_and_the_cure(installed, run):
    ran = run("doctor", "--json")
    found = {finding["check"]: finding for finding in json.loads(ran.output)["items"]}
    assert ran.status == 1
    # The tests' server keeps nothing, and no worker runs.
    assert found["durability"]["state"] == found["workers"]["state"] == "problem"
    assert "appendonly yes" in found["durability"]["cure"]
    for check in ("settings", "server", "handlers", "database", "migrations", "people"):
        assert found[check]["state"] == "ok", found[check]


def test_a_server_that_is_away_is_one_line_and_status_1(installed, run, monkeypatch):
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
    for command in (["topics"], ["publish", "a.b", "{}"], ["subscriptions", "list"]):
        ran = run(*command)
        assert ran.status == 1
        assert len(ran.errors.splitlines()) == 1, ran.errors
    ran = run("migrate")
    assert ran.status == 1 and len(ran.errors.splitlines()) == 1, ran.errors
    assert "The database is up to date (0 new revisions), but Redis can't be told" in ran.errors
    ran = run("doctor")
    assert ran.status == 1 and "no server answers" in ran.output and "outbox" in ran.output


def test_what_is_decided_while_the_server_is_away_is_said_to_hold(installed, run, monkeypatch):
    answer(run, "migrate")
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
    name = "workers.handlers.validate"
    ran = run("subscriptions", "pause", name, "--reason", "the shop is closed")
    assert ran.status == 1 and "is decided" in ran.errors
    ran = run("subscriptions", "pause", name)
    assert ran.status == 1 and "paused already" in ran.errors


def test_a_handler_module_that_breaks_is_named(installed, run, monkeypatch):
    monkeypatch.setenv("PENSTOCK_HANDLERS", "nowhere.handlers")
    for command in (["migrate"], ["doctor"]):
        ran = run(*command)
        assert ran.status == 1
        assert "nowhere.handlers" in ran.output + ran.errors
