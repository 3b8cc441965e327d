"""Commands over HTTP, on the real platform: a thread stands for the worker that carries them out."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel, Field

from app import Event, command
from app.bootstrap import Platform, build
from app.cqrs.command import Registry
from app.cqrs.commands import Commands
from app.errors import Conflict
from app.events.schema import EventTypes
from app.streams import keys
from app.subscriptions.declaration import Handlers
from config.settings import Settings
from tests.web.conftest import Api
from tests.web.problems import assert_problem
from tests.web.real_data import archived, parked
from web import create_app

ROOT = "a bootstrap token for tests"


class Sell(BaseModel):
    item: str
    pieces: int = Field(gt=0)


@pytest.fixture
def platform(redis_url: str, migrated_sqlite_url: str, tmp_path) -> Iterator[Platform]:
    settings = Settings(data_dir=tmp_path, redis_url=redis_url, api_token=ROOT,
                        given_secret="signs the sessions of tests")  # fmt: skip
    platform = build(settings, handlers=Handlers(), types=EventTypes())
    platform.commands = Commands(platform, Registry())  # as in the web process: it imports no code
    yield platform
    platform.close()


@pytest.fixture
def worker(platform: Platform) -> Iterator[Commands]:
    """Carries out what comes, until the test ends."""
    registry = Registry()

    @command("item.sell", takes=Sell, level="publisher", registry=registry)
    def sell(asked: Sell, ctx: Any) -> dict[str, int]:
        """Sell pieces of an item."""
        if asked.item == "gold":
            raise Conflict("there is no gold")
        if asked.item == "air":
            return {"sold": 0}
        ctx.append(f"item-{asked.item}", Event(type="item.sold", data={"pieces": asked.pieces}))
        return {"sold": asked.pieces}

    commands = Commands(platform, registry)
    commands.declare()
    stopping = threading.Event()

    def carry() -> None:
        last = "0"
        while not stopping.is_set():
            for _, entries in platform.redis.xread(
                {keys.topic_stream("command", 0): last}, block=50
            ):
                for position, fields in entries:
                    last = position
                    commands.carry_out(Event.from_bytes(fields[b"e"]))

    thread = threading.Thread(target=carry)
    thread.start()
    yield commands
    stopping.set()
    thread.join(30)


@pytest.fixture
def api(platform: Platform) -> Api:
    return Api(create_app(platform), ROOT)


def sell(api: Api, key: str | None = None, **asked: Any) -> Any:
    headers = {"Idempotency-Key": key} if key else {}
    return api.post("/commands/item.sell", {"item": "tea", "pieces": 3, **asked}, headers=headers)


def test_it_answers_with_the_position(api, worker, platform) -> None:
    (listed,) = api.get("/commands").get_json()["items"]
    assert (listed["name"], listed["level"]) == ("item.sell", "publisher")
    assert "pieces" in listed["schema"]["properties"]
    answer = sell(api)
    told = answer.get_json()
    assert (told["state"], told["answer"]) == ("done", {"sold": 3})
    assert answer.headers["X-Position"] == str(told["position"]) == str(platform.event_store.head())
    (line,) = platform.audit.find(action="command.item.sell").items
    assert (line["actor"], line["interface"]) == ("token:bootstrap", "api")


def test_what_appended_nothing_has_no_position(api, worker) -> None:
    """Where it was asked for is no place to wait for: a projection refuses that."""
    assert "X-Position" not in sell(api, item="air").headers


def test_a_resend_after_a_lost_reply_gets_the_same_answer(api, worker, platform) -> None:
    first = sell(api, key="order-7").get_json()
    assert sell(api, key="order-7").get_json() == first
    assert platform.event_store.version("item-tea") == 1
    assert_problem(sell(api, key="order-7", pieces=4), 409, "order-7")


def test_what_is_wrong_is_named(api, worker) -> None:
    problem = assert_problem(sell(api, pieces=0), 422)
    assert problem["problems"] == [{"field": "pieces", "problem": "0 is not more than 0"}]
    assert_problem(api.post("/commands/item.steal", {}), 404, "item.steal")
    assert_problem(sell(api, item="gold"), 409, "there is no gold")
    headers = {"Prefer": "wait=3000"}
    assert_problem(api.post("/commands/item.sell", {}, headers=headers), 400, "30 seconds")


def test_who_may_not_is_told_what_it_takes(api, worker, platform) -> None:
    _, secret = platform.tokens.create("reader", ["read"], None, "test")
    reader = Api(create_app(platform), secret)
    assert_problem(sell(reader), 403, "publisher")
    _, secret = platform.tokens.create("till", ["publish"], None, "test")
    till = Api(create_app(platform), secret)
    told = sell(till).get_json()
    assert told["state"] == "done"
    assert till.get(f"/commands/answers/{told['id']}").get_json() == told
    assert_problem(reader.get(f"/commands/answers/{told['id']}"), 404)


def test_where_no_worker_comes_the_answer_is_fetched_later(api, platform, request) -> None:
    registry = Registry()
    command("item.sell", takes=Sell, registry=registry)(lambda asked, ctx: None)
    Commands(platform, registry).declare()
    answer = api.post(
        "/commands/item.sell", {"item": "tea", "pieces": 1}, headers={"Prefer": "respond-async"}
    )
    assert (answer.status_code, answer.get_json()["state"]) == (202, "waiting")
    assert "X-Position" not in answer.headers
    later = answer.headers["Location"].removeprefix("/api/v1")
    assert api.get(later).get_json()["state"] == "waiting"
    assert api.get(later).get_json()["trouble"] is None
    (given,) = archived(platform)
    parked(platform, given, error="ZeroDivisionError: a bug", subscription="penstock.commands")
    told = api.get(later).get_json()
    trouble = told["trouble"]
    assert (told["state"], told["letter"]) == ("parked", trouble["letter"])
    assert [one["id"] for one in api.get("/commands/answers?state=parked").get_json()["items"]] == [
        told["id"]
    ]
    assert api.get("/commands/answers?state=waiting").get_json()["items"] == []
    assert (trouble["state"], trouble["error"]) == ("parked", "ZeroDivisionError: a bug")
    assert api.get(f"/dead-letters/{trouble['letter']}").get_json()["event"]["id"] == given.id
    api.post("/dead-letters/discard", {"dead_letters": [told["letter"]]})
    assert api.get(later).get_json()["state"] == "discarded"
    request.getfixturevalue("worker")
    end = time.monotonic() + 60
    while (told := api.get(later).get_json())["answer"] is None and time.monotonic() < end:
        time.sleep(0.05)
    assert (told["state"], told["answer"], told["letter"]) == ("done", {"sold": 1}, None)


def test_what_was_given_is_listed_newest_first(api, worker, platform) -> None:
    sell(api, key="order-7")
    sell(api, item="gold", key="order-8")
    sell(api)
    found = api.get("/commands/answers?limit=2").get_json()
    assert [(one["state"], one["key"]) for one in found["items"]] == [
        ("done", None), ("refused", "order-8")]  # fmt: skip
    assert found["items"][1]["problem"]["detail"] == "there is no gold"
    rest = api.get(f"/commands/answers?limit=2&cursor={found['next']}").get_json()
    assert [one["key"] for one in rest["items"]] == ["order-7"] and rest["next"] is None
    assert rest["items"][0]["position"] == 1 and "answer" not in rest["items"][0]
    assert [len(api.get(f"/commands/answers?state={state}").get_json()["items"])
            for state in ("waiting", "done", "refused")] == [0, 2, 1]  # fmt: skip
    assert api.get("/commands/answers?command=item.steal").get_json()["items"] == []
    _, secret = platform.tokens.create("reader", ["read"], None, "test")
    assert_problem(Api(create_app(platform), secret).get("/commands/answers"), 403)
