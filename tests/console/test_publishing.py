"""One event, or one command, by hand: the form from a schema, what is wrong said at its field, and JSON instead."""

from __future__ import annotations

from typing import Any

from flask.testing import FlaskClient

from app.errors import InvalidCommand, InvalidEvents
from tests.console.conftest import send, token
from tests.web.fakes import FakePlatform
from web.console.schema_form import data_of, fields, given_of

SCHEMA: dict[str, Any] = {
    "properties": {
        "name": {"type": "string"}, "count": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
        "paid": {"type": "boolean"}, "size": {"$ref": "#/$defs/Size"}, "items": {"type": "array"},
    },
    "$defs": {"Size": {"enum": ["s", 2]}},
    "required": ["name"],
}  # fmt: skip


def test_each_property_has_a_field_of_its_kind() -> None:
    kinds = [one.kind for one in fields(SCHEMA, {}, {})]
    assert kinds == ["string", "integer", "boolean", "choice", "json"]


def test_what_was_written_becomes_data() -> None:
    given = {"data.name": "7", "data.count": "3", "data.paid": "true", "data.size": "2",
             "data.items": "[1]"}  # fmt: skip
    data = {"name": "7", "count": 3, "paid": True, "size": 2, "items": [1]}
    assert data_of(SCHEMA, given) == (data, {})
    assert list(data_of(SCHEMA, {"data.count": "many"})[1]) == ["count"]


def test_null_comes_back_as_null_and_not_as_the_default() -> None:
    maybe = {"anyOf": [{"type": "integer"}, {"type": "null"}]}
    schema = {"properties": {"days": maybe | {"default": 30}, "of": maybe, "plain": {"default": 7},
                             "left": maybe | {"default": None}}, "required": ["of"]}  # fmt: skip
    given = given_of({"days": None, "of": None, "plain": 8})
    assert [one.value for one in fields(schema, given, {})] == ["", "", "8", ""]
    assert data_of(schema, given) == ({"days": None, "of": None, "plain": 8}, {})
    assert data_of(schema, {"data.plain": "", "data.left": ""}) == ({}, {})
    assert fields(schema, {}, {})[0].value == "30"


def test_an_event_is_published_and_audited(operator: FlaskClient, platform: FakePlatform) -> None:
    sent: list[Any] = []
    platform.publisher.publish = lambda events: sent.extend(events) or [True]  # type: ignore
    send(operator, "/publish", follow=False, type="note.written", raw='{"a": 1}', subject="x")
    assert [(e.type, e.data, e.subject) for e in sent] == [("note.written", {"a": 1}, "x")]
    assert "event.published" in [row["action"] for row in platform.audit.rows]


def test_what_is_wrong_is_said_and_what_was_written_stays(
    operator: FlaskClient, platform: FakePlatform
) -> None:
    def refuse(events: Any) -> None:
        raise InvalidEvents([{"index": 0, "id": "x", "type": "t", "field": "data.a",
                              "problem": "must be a text"}])  # fmt: skip

    platform.publisher.publish = refuse  # type: ignore
    page = send(operator, "/publish", type="note.written", raw='{"a": 1}')
    assert "a: must be a text" in page
    assert "&#34;a&#34;: 1" in page
    assert "is not JSON" in send(operator, "/publish", type="note.written", raw="{")


def test_a_viewer_publishes_nothing(sign_in: Any) -> None:
    viewer = sign_in("viewer")
    form = {"csrf_token": token(viewer), "type": "note.written", "raw": "{}"}
    assert viewer.post("/publish", data=form).status_code == 403


def test_a_command_is_given_and_its_answer_shown(
    operator: FlaskClient, platform: FakePlatform
) -> None:
    page = operator.get("/commands/give?command=item.sell").text
    assert 'name="data.pieces"' in page and 'name="key" value="' in page
    form = {"command": "item.sell", "data.item": "tea", "data.pieces": "3", "key": "order-7"}
    shown = send(operator, "/commands/give", **form)
    assert "<h2>Answer</h2>" in shown and "sold" in shown and 'href="/positions/42"' in shown
    assert platform.commands.sent == [({"item": "tea", "pieces": 3}, "order-7")]


def test_another_like_one_begins_with_what_was_asked(
    operator: FlaskClient, platform: FakePlatform, sign_in: Any
) -> None:
    data = {"command": "item.sell", "asked": {"item": "tea", "pieces": 3}}
    event = {**platform.data["events"][0], "id": "cmd-1", "type": "command.given", "data": data}
    platform.data["events"].append(event)
    page = operator.get("/commands/given/cmd-1").text
    assert "<h2>Asked</h2>" in page and "like=cmd-1" in page
    page = operator.get("/commands/give?command=item.sell&like=cmd-1").text
    assert 'value="tea"' in page and 'value="3"' in page and 'value="cmd-1"' not in page
    assert (
        "&#34;tea&#34;" in operator.get("/commands/give?command=item.sell&like=cmd-1&as=json").text
    )
    assert operator.get("/commands/give?command=item.sell&like=nothing").status_code == 404


def test_a_slow_command_says_which_worker_has_it_in_hand(
    operator: FlaskClient, platform: FakePlatform
) -> None:
    event = {**platform.data["events"][0], "id": "cmd-s", "type": "command.given"}
    platform.data["events"].append(event)
    found = platform.archive.get("cmd-s")
    assert found is not None
    platform.commands._given["cmd-s"] = {**platform.commands.state("cmd-1"), "state": "waiting"}
    platform.commands.trouble = lambda id: None  # type: ignore[method-assign]
    slot = {"subscription": "penstock.commands", "event": found["position"], "since": 1.0}
    platform.workers.list = lambda: [  # type: ignore[method-assign]
        {"id": "pc-1", "alive": True, "slots": [slot]}
    ]
    assert "/workers/pc-1" in operator.get("/commands/given/cmd-s").text
    slot["event"] = "0-1"
    assert "No worker has carried it out yet" in operator.get("/commands/given/cmd-s").text


def test_what_a_command_refuses_is_said_at_its_field_and_the_key_stays(
    operator: FlaskClient, platform: FakePlatform
) -> None:
    def refuse(*_: Any, **__: Any) -> str:
        raise InvalidCommand("no", [{"field": "pieces", "problem": "is less than 1"}])

    platform.commands.send = refuse  # type: ignore[method-assign]
    form = {"command": "item.sell", "data.item": "tea", "data.pieces": "0", "key": "order-7"}
    page = send(operator, "/commands/give", **form)
    assert "is less than 1" in page and 'value="order-7"' in page and 'value="tea"' in page


def test_a_viewer_is_told_which_role_a_command_takes(sign_in: Any) -> None:
    viewer = sign_in("viewer")
    assert "It takes the role operator" in viewer.get("/commands/give?command=item.sell").text
    form = {
        "csrf_token": token(viewer),
        "command": "item.sell",
        "data.item": "tea",
        "data.pieces": "3",
    }
    assert viewer.post("/commands/give", data=form).status_code == 403
