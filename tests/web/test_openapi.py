"""The OpenAPI document is true: it names every route, and every answer fits it."""

from __future__ import annotations

import re

import pytest
from jsonschema import Draft202012Validator

from web.api.openapi import describe
from web.api.routes import ROUTES

DOCUMENT = describe()


def test_the_document_and_the_app_have_the_same_routes(app) -> None:
    documented = {
        (method.upper(), path)
        for path, operations in DOCUMENT["paths"].items()
        for method in operations
    }
    served = {
        (method, re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule))
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith("/api/v1")
        for method in rule.methods - {"HEAD", "OPTIONS"}
    }
    assert documented == served
    assert len(documented) == len(ROUTES)


def test_the_contracts_routes_are_there() -> None:
    paths = {path.removeprefix("/api/v1") for path in DOCUMENT["paths"]}
    assert paths >= {
        "/events", "/events/stream", "/topics", "/subscriptions", "/dead-letters",
        "/dead-letters/groups", "/dead-letters/discard", "/replays", "/replays/{id}",
        "/replays/{id}/pause", "/replays/{id}/resume", "/replays/{id}/cancel", "/runs",
        "/runs/{correlationid}", "/models", "/models/{name}/predict", "/models/{name}/rollback",
        "/models/{name}/versions/{version}/promote", "/datasets", "/projections", "/workers",
        "/schemas", "/subscriptions/{name}", "/subscriptions/{name}/pause",
        "/subscriptions/{name}/resume", "/subscriptions/{name}/rewind",
    }  # fmt: skip


def test_every_route_says_what_it_does() -> None:
    ids = [row.endpoint for row in ROUTES]
    assert len(set(ids)) == len(ids)
    for row in ROUTES:
        assert len(row.summary) > 8, row.endpoint


def test_it_is_open_to_everybody(anonymous) -> None:
    answer = anonymous.get("/api/openapi.json")
    assert answer.status_code == 200
    assert answer.get_json()["openapi"].startswith("3.1")


def test_every_schema_in_it_is_a_json_schema() -> None:
    for operations in DOCUMENT["paths"].values():
        for operation in operations.values():
            for schema in _schemas(operation):
                Draft202012Validator.check_schema(schema)


def test_that_exactly_one_way_selects_is_said_in_the_document() -> None:
    for path in ("/replays", "/dead-letters/discard"):
        body = DOCUMENT["paths"][f"/api/v1{path}"]["post"]["requestBody"]["content"]
        fits = Draft202012Validator(body["application/json"]["schema"]).is_valid
        assert fits({"group": "g"}) and fits({"dead_letters": ["a"]}) and fits({"filter": {}})
        assert not fits({}) and not fits({"group": "g", "filter": {}})


def _schemas(value):
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "schema":
                yield inner
            else:
                yield from _schemas(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _schemas(inner)


READABLE = [row for row in ROUTES if row.method == "GET" and row.media == ("application/json",)]


@pytest.mark.parametrize("row", READABLE, ids=lambda row: row.endpoint)
def test_what_is_answered_fits_what_is_documented(api, platform, row) -> None:
    letter, event = platform.data["letters"][0], platform.data["events"][0]
    known = {
        "events": event["id"], "schemas": "order.placed", "subscriptions": "shop.handlers.charge",
        "dead-letters": letter["id"], "replays": "rp000001", "models": "digits",
        "aggregates": "lamp:1", "datasets": "digits", "projections": "sales",
        "alerts": "late" if "rules" in row.path else "al-1",
        "runs": platform.data["runs"][0]["correlationid"], "workers": "pc-4711-ab12",
        "webhooks": "crm.orders",
        "commands": "cmd-1" if "answers" in row.path else "item.sell",
    }  # fmt: skip
    path = re.sub(r"<int:\w+>", "1", row.path).replace("as-of/<id>", "as-of/look-1")
    name = letter["group"] if "/groups/" in path else known.get(row.tag, "none")
    path = re.sub(r"<(?:\w+:)?\w+>", name, path)
    answer = api.get(path, query_string={"q": "order"} if row.tag == "search" else {})
    assert answer.status_code == 200, answer.text
    Draft202012Validator(row.answers).validate(answer.get_json())
