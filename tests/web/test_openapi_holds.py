"""The OpenAPI document is true of the running app: real Redis, real SQL, something of each noun.

Every operation is called with what the document allows and with what it does not, as each kind of
caller. It may only answer with a status that it documents, in a media type that it documents, with
a body that fits; what broke on our side (500) is never an answer.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import pytest
import redis
from flask import Flask
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, FormatChecker
from werkzeug.exceptions import HTTPException

from app.embedded.server import EmbeddedServer
from app.ml.artefact import Model
from config.settings import Settings
from tests.domain.conftest import _trained
from tests.ml.tables import two_classes
from tests.web.from_schema import fitting, odd_text, unfitting
from tests.web.real_data import fill, opened
from web import create_app
from web.addresses import WITHIN
from web.api.openapi import PREFIX, describe
from web.api.parameters import Parameter
from web.api.routes import ROUTES, Route
from web.auth.identity import ANYBODY, Identity

DOCUMENT = describe()
EXAMPLES = 14
ROOT = "a bootstrap token for tests"
BY_ENDPOINT = {f"api.{row.endpoint}": row for row in ROUTES}
# Those that read come first: they see what was filled in, before others change it.
IN_ORDER = sorted(ROUTES, key=lambda row: row.method != "GET")
CALLERS = ("admin", "admin", "admin", "admin", "read", "publish", "operate", "nobody", "wrong")


class World:
    """The running app, what is in it, and a token of each scope."""

    def __init__(self, app: Flask, known: dict[str, list[str]], secrets: dict[str, str]):
        self.app, self.known, self.secrets = app, known, secrets
        self.client = app.test_client()

    def headers(self, caller: str) -> dict[str, str]:
        patient = {"Prefer": "respond-async"}  # no worker is here to wait for
        if caller == "nobody":
            return patient
        return {**patient, "Authorization": f"Bearer {self.secrets.get(caller, 'wrong')}"}

    def row(self, method: str, path: str) -> Route | None:
        """The operation that a path leads to. A slash that is written as `%2F` belongs to a name.

        None where it leads to none; a NUL in a path never leads anywhere.
        """
        if "%00" in path:
            return None
        try:
            written = re.sub("%2f", quote(WITHIN), path, flags=re.IGNORECASE)
            endpoint, _ = self.app.url_map.bind("localhost").match(unquote(written), method)
        except HTTPException:
            return None
        return BY_ENDPOINT.get(endpoint)


@pytest.fixture(scope="module")
def model() -> Model:
    return _trained(two_classes(200))


@pytest.fixture(scope="module")
def world(
    valkey: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory, model: Model
) -> Iterator[World]:
    folder: Path = tmp_path_factory.mktemp("openapi")
    with redis.Redis.from_url(valkey.url) as client:
        client.flushall()
    platform = opened(Settings(
        data_dir=folder / "data", redis_url=valkey.url, api_token=ROOT,
        database_url=f"sqlite:///{folder / 'penstock.db'}",
        given_secret="signs the sessions of tests",
    ))  # fmt: skip
    known = fill(platform, model)
    secrets = {
        scope: platform.tokens.create(scope, [scope], None, "cli")[1]
        for scope in ("read", "publish", "operate")
    }
    yield World(create_app(platform), known, {**secrets, "admin": ROOT})
    platform.close()


def value_of(parameter: Parameter) -> st.SearchStrategy[str]:
    """What is given for a query parameter: mostly something good."""
    good = {
        "limit": st.integers(1, 1000).map(str),
        "time": st.sampled_from(["15m", "2h", "1790000000", "2026-01-31T12:00:00Z"]),
        "flag": st.sampled_from(["0", "1"]),
    }.get(parameter.kind, odd_text)
    if parameter.choices:
        good = st.sampled_from(parameter.choices)
    return st.one_of(good, good, odd_text)


def names_of(row: Route, known: dict[str, list[str]]) -> list[str]:
    if "/groups/" in row.path:
        return known["groups"]
    return known["rules"] if "/rules/" in row.path and row.tag == "alerts" else known[row.tag]


@st.composite
def requests(draw: Any, row: Route, known: dict[str, list[str]]) -> dict[str, Any]:
    """A request of this operation, as the keyword arguments of the test client."""
    path = PREFIX + row.path
    for kind, name in re.findall(r"<(?:(\w+):)?(\w+)>", row.path):
        good = st.sampled_from(["1", "2"] if kind == "int" else names_of(row, known))
        if name == "correlationid" and row.tag != "runs":
            good = st.sampled_from(known["runs"])
        given = quote(draw(st.one_of(good, good, good, odd_text)), safe=":,@")
        path = path.replace(f"<{kind}:{name}>" if kind else f"<{name}>", given)
    query = {p.name: draw(value_of(p)) for p in row.query if draw(st.integers(0, 2)) == 0}
    if draw(st.integers(0, 15)) == 0:
        query["surprise"] = "1"
    asked: dict[str, Any] = {"path": path, "query_string": query, "method": row.method}
    if row.body is not None:
        asked |= draw(bodies(row))
    return asked


@st.composite
def bodies(draw: Any, row: Route) -> dict[str, Any]:
    assert row.body is not None
    schema: Any = row.body.schema
    if row.body.media == ("multipart/form-data",):
        form = draw(fitting(schema) | unfitting(schema))
        form = (
            {k: str(v).replace("\x00", "") for k, v in form.items()}
            if isinstance(form, dict)
            else {}
        )
        for name in ("file", "evaluation"):
            if name in form:
                form[name] = (io.BytesIO(draw(st.sampled_from([b"", b"a,b\n1,2\n", b"\xff\x00"]))),
                              draw(st.sampled_from(["t.csv", "../t.csv", "ü.csv"])))  # fmt: skip
        return {"data": form, "content_type": "multipart/form-data"}
    kind = draw(st.sampled_from(["good", "good", "good", "bad", "raw", "other"]))
    media = draw(st.sampled_from(row.body.media))
    if kind == "raw":
        raw = draw(st.sampled_from([b"", b"{", b"\xff", b"null", b"[[]]", b'{"a": NaN}', b"0"]))
        return {"data": raw, "content_type": media}
    if kind == "other":
        return {"data": b"a=1", "content_type": "text/plain"}
    value = draw(fitting(schema) if kind == "good" else unfitting(schema))
    return {"data": json.dumps(value), "content_type": media}


@pytest.mark.parametrize("row", IN_ORDER, ids=lambda row: f"{row.method}-{row.endpoint}")
def test_an_operation_answers_what_it_documents(world: World, row: Route) -> None:
    @settings(max_examples=EXAMPLES, deadline=None, derandomize=True, database=None,
              phases=[Phase.generate, Phase.shrink],
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(requests(row, world.known), st.sampled_from(CALLERS))
    def holds(asked: dict[str, Any], caller: str) -> None:
        answer = world.client.open(**asked, headers=world.headers(caller))
        try:
            check(world, asked, caller, answer)
        finally:
            answer.close()

    holds()


def check(world: World, asked: dict[str, Any], caller: str, answer: Any) -> None:
    row = world.row(asked["method"], asked["path"])
    status, media = answer.status_code, answer.mimetype
    told = f"{asked} as {caller}: {status} {'' if answer.is_streamed else answer.text[:300]}"
    if row is None:
        assert status in (404, 405) and media == "application/problem+json", told
        return
    path = PREFIX + re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", row.path)
    documented = DOCUMENT["paths"][path][row.method.lower()]["responses"]
    assert status < 500, told
    assert str(status) in documented, told
    content = documented[str(status)]["content"]
    assert media in content, told
    if caller in ("nobody", "wrong"):
        assert status == 401, told
    elif row.level != ANYBODY:  # there the core decides
        assert (status == 403) == (not Identity.of_token("x", [caller]).may(row.level)), told
    if media in ("application/json", "application/problem+json"):
        schema = {**content[media]["schema"], "components": DOCUMENT["components"]}
        Draft202012Validator(schema, format_checker=FormatChecker()).validate(
            json.loads(answer.data)
        )
