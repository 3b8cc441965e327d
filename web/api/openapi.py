"""The OpenAPI 3.1 document, made from the same table as the routes."""

from __future__ import annotations

import re
from typing import Any

from flask import Blueprint, Response

from app.events.position import WRITTEN
from web.api.once import IN_HEADER
from web.api.parameters import FLAGS, LARGEST_LIMIT, WRITTEN_TIME, Parameter
from web.api.positions import BEHIND, LEAST, LEAST_HEADER, OUTCOMES
from web.api.routes import ROUTES, Route
from web.api.shapes import COUNT, TEXT, Schema, obj
from web.auth.identity import LEVELS
from web.rendering import answer

PREFIX = "/api/v1"
PROBLEM: Schema = obj(
    {"type": TEXT, "title": TEXT, "status": COUNT, "detail": TEXT, "instance": TEXT}
)
PROBLEMS = {
    400: "It can't be understood.",
    401: "Nobody is signed in, or the token is not valid.",
    403: "The role or the scopes do not suffice.",
    404: "There is no such thing.",
    409: "It is in a state that does not allow this.",
    413: "Too large.",
    415: "A body of another content type than this route reads.",
    422: "Understood, and refused.",
    500: "Something broke; the log has it under `reference`.",
    503: "Redis or the database can't take this now; try again.",
}
_VARIABLE = re.compile(r"<(?:(\w+):)?(\w+)>")

document = Blueprint("openapi", __name__)


@document.get("/api/openapi.json")
def openapi() -> Response:
    """The document. It names no secret, so it is open to everybody."""
    return answer(describe())


def describe() -> Schema:
    paths: dict[str, Any] = {}
    for row in ROUTES:
        paths.setdefault(PREFIX + _VARIABLE.sub(r"{\2}", row.path), {})[row.method.lower()] = (
            _operation(row)
        )
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Penstock",
            "version": "1",
            "description": "Lists answer a page, newest first. Errors are problem details "
            "(RFC 9457). Send a token as `Authorization: Bearer TOKEN`; a session's cookie "
            "works too, with `X-CSRFToken` on whatever changes something.",
        },
        "paths": paths,
        "components": {
            "schemas": {"Problem": PROBLEM},
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "session": {"type": "apiKey", "in": "cookie", "name": "penstock"},
            },
        },
        "security": [{"token": []}, {"session": []}],
    }


def _operation(row: Route) -> Schema:
    described: Schema = {
        "operationId": row.endpoint,
        "summary": row.summary,
        "description": f"Takes the scope `{LEVELS[row.level]}`.{_of_positions(row)}",
        "tags": [row.tag],
        "parameters": [
            *_path_variables(row.path),
            *map(_parameter, row.query),
            *([LEAST_HEADER] if _waits(row) else []),
            *([IN_HEADER] if row.once else []),
        ],
        "responses": _responses(row),
    }
    if row.body is not None:
        described["requestBody"] = {
            "required": not row.body.optional,
            "content": {
                media: {"schema": {**row.body.schema, **row.body.rules}} for media in row.body.media
            },
        }
    return described


def _waits(row: Route) -> bool:
    return row.follows is not None and row.follows != OUTCOMES


def _of_positions(row: Route) -> str:
    if row.follows != OUTCOMES:
        return ""
    return f" Refuses `{LEAST}` and `after`: no position stands for what becomes of events."


def _responses(row: Route) -> Schema:
    codes = {400, 401, 403, 500, 503, *row.may_fail}
    if "<" in row.path:
        codes.add(404)
    if row.body is not None:
        codes |= {413, 415, 422}
    if _waits(row):
        codes.add(422)
    if row.once:
        codes |= {409, 422}
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    answers = {media: {"schema": row.answers} for media in row.media}
    good = {"description": "Done.", "content": answers}
    responses = {str(row.status): good}
    responses |= {str(code): good for code in row.also}
    if any(parameter.name == "dry_run" for parameter in row.query):
        responses["200"] = good
    if _waits(row):
        late = {"application/problem+json": {"schema": BEHIND}}
        responses["202"] = {"description": "Not yet as new as was asked for.", "content": late}
    for code in sorted(codes):
        responses[str(code)] = {"description": PROBLEMS[code], "content": problem}
    return responses


def _path_variables(path: str) -> list[Schema]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "integer" if kind == "int" else "string"},
        }
        for kind, name in _VARIABLE.findall(path)
    ]


def _parameter(parameter: Parameter) -> Schema:
    schema: Schema = {"type": "string"}
    if parameter.kind == "limit":
        schema = {"type": "integer", "minimum": 1, "maximum": LARGEST_LIMIT}
    if parameter.kind == "flag":
        schema["enum"] = [*FLAGS]
    if parameter.kind == "time":
        schema["pattern"] = WRITTEN_TIME
    if parameter.kind == "position":
        schema["pattern"] = WRITTEN
    if parameter.choices:
        schema["enum"] = [*parameter.choices]
    if parameter.default is not None:
        default = parameter.default
        schema["default"] = str(int(default)) if parameter.kind == "flag" else default
    return {"name": parameter.name, "in": "query", "description": parameter.about, "schema": schema}
