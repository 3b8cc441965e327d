"""How something was, asked of a worker: the same for projections and aggregates (`app.cqrs.as_of`).

The answer is waited for a while; 202 where no worker has found it yet, with a `Location` to ask again at.
"""

from __future__ import annotations

from typing import Any

from flask import Response, request, url_for

from app.cqrs import refusals
from app.cqrs.as_of.asking import AsOf
from web import waiting
from web.api.parameters import parse_time
from web.api.positions import patience, with_position
from web.api.routes import Body
from web.api.shapes import COUNT, NUMBER, TEXT, closed, obj
from web.auth import current_actor
from web.rendering import answer

WAIT = 10.0


def moment_of(asking: type[AsOf], optional: bool = False) -> Body:
    """The body that says a moment: a number, or a time."""
    return Body(
        closed({}, **{asking.by: COUNT, "at": {"type": ["string", "number"]}}), optional=optional
    )


def asked_shape(named: str, asked: Any, found: Any) -> Any:
    """What is known of a question by now."""
    return obj({"id": TEXT, named: TEXT, "actor": TEXT, "asked": asked, "progress": NUMBER,
                "state": {"enum": ["waiting", "working", "done", "refused"]},
                "answer": {"anyOf": [found, {"type": "null"}]},
                "problem": {"type": ["object", "null"]}})  # fmt: skip


def asked(asking: AsOf, name: str, body: dict[str, Any], again: str) -> Response:
    """Ask, and wait a while; `again` is the endpoint where the answer is told for an hour."""
    seconds, at = patience(WAIT), body.get("at")
    at = None if at is None else parse_time("at", str(at))
    id = asking.ask(name, current_actor(), body.get(asking.by), at)
    with waiting.at_most(seconds) as seconds:
        told = asking.wait(id, name, seconds)
    if told["state"] == "refused":
        raise refusals.raised(told["problem"])
    response = answer(told, 200 if told["state"] == "done" else 202)
    response.headers["Location"] = url_for(again, **(request.view_args or {}), id=id)
    return with_position(response, None)
