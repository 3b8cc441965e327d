"""/aggregates: any model, dataset or aggregate of an author's, as it was at a version or a time."""

from __future__ import annotations

from typing import Any

from flask import Response, url_for

from app.cqrs import refusals
from app.errors import NotFound
from web import waiting
from web.api.pages import rendered
from web.api.parameters import PAGE, Parameter, parse_time
from web.api.positions import patience
from web.api.routes import Body, route
from web.api.shapes import ANY_OBJECT, COUNT, TEXT, TIME, closed, many, obj, page_of
from web.auth import current_actor
from web.platform import current_platform
from web.problems import BadInput
from web.rendering import answer

STREAM = obj({"stream": TEXT, "category": TEXT, "version": COUNT, "began": TIME, "changed": TIME})
STATE = obj({"stream": TEXT, "category": TEXT, "version": COUNT, "newest": COUNT, "recorded": TIME,
             "state": {"type": ["object", "null"]}, "why": ANY_OBJECT})  # fmt: skip
STEP = obj({"version": COUNT, "position": COUNT, "type": TEXT, "event": TEXT, "recorded": TIME,
            "data": {}, "changes": many(ANY_OBJECT)})  # fmt: skip
CATEGORY = Parameter("category", "Only streams of this category, such as `model` or `dataset`.")
VERSION = Parameter("version", "As it was at this version: 1 is after its first event.")
MOMENT = Body(closed({}, version=COUNT, at={"type": ["string", "number"]}), optional=True)
ASKED = obj({"id": TEXT, "stream": TEXT, "actor": TEXT, "asked": obj({"version": COUNT}),
             "state": {"enum": ["waiting", "done", "refused"]},
             "answer": {"anyOf": [STATE, {"type": "null"}]},
             "problem": {"type": ["object", "null"]}})  # fmt: skip
WAIT = 10.0
AT = Parameter("at", "As it was at this time: RFC 3339, seconds since 1970, or `15m` ago.", "time")


@route("GET", "/aggregates", "viewer", answers=page_of(STREAM), query=(CATEGORY, *PAGE))
def list_aggregates(category: str | None, limit: int, cursor: str | None) -> dict[str, Any]:
    """The streams of the event store, those that began last first."""
    return rendered(current_platform().past.find(category, limit, cursor))


@route("GET", "/aggregates/<stream>", "viewer", answers=STATE, query=(VERSION, AT),
       may_fail=(404,))  # fmt: skip
def get_aggregate(stream: str, version: str | None, at: Any) -> dict[str, Any]:
    """One aggregate as it is, or was; and for each field the event and actor that made it so."""
    return current_platform().past.get(stream, version=whole("version", version), at=at)


@route("GET", "/aggregates/<stream>/history", "viewer", answers=page_of(STEP), query=PAGE,
       may_fail=(404,))  # fmt: skip
def get_history(stream: str, limit: int, cursor: str | None) -> dict[str, Any]:
    """Its events with the fields that each changed; newest first."""
    return rendered(current_platform().past.history(stream, limit, cursor))


@route("POST", "/aggregates/<stream>/as-of", "operator", answers=ASKED, body=MOMENT, also=(202,),
       may_fail=(404, 422))  # fmt: skip
def ask_aggregate(stream: str, body: dict[str, Any]) -> Response:
    """The fields of one whose class is in your handlers, at a `version` or a time; a worker replays it.

    202 where none has done so yet: `Location` says where to ask again, for an hour.
    """
    remembering, seconds = current_platform().remembering, patience(WAIT)
    at = body.get("at")
    at = None if at is None else parse_time("at", str(at))
    id = remembering.ask(stream, current_actor(), body.get("version"), at)
    with waiting.at_most(seconds) as seconds:
        told = remembering.wait(id, seconds)
    if told["state"] == "refused":
        raise refusals.raised(told["problem"])
    response = answer(told, 200 if told["state"] == "done" else 202)
    response.headers["Location"] = url_for("api.get_aggregate_as_of", stream=stream, id=id)
    return response


@route("GET", "/aggregates/<stream>/as-of/<id>", "operator", answers=ASKED, may_fail=(404,))
def get_aggregate_as_of(stream: str, id: str) -> dict[str, Any]:
    """What a worker found; `answer` is null until then."""
    return answer_about(stream, id)


def answer_about(stream: str, id: str) -> dict[str, Any]:
    """What was answered about this stream. Raises `NotFound`."""
    told: dict[str, Any] = current_platform().remembering.answer(id)
    if told.get("stream") != stream:
        raise NotFound(f"The answer {id} is not about {stream}.")
    return told


def whole(name: str, text: str | None) -> int | None:
    """A version from a query. Raises BadInput."""
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise BadInput(f"{name} is {text[:20]!r}; it must be a whole number from 1.")
    return int(text)
