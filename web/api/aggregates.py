"""/aggregates: any model, dataset or aggregate of an author's, as it was at a version or a time."""

from __future__ import annotations

from typing import Any

from flask import Response

from app.cqrs.as_of.aggregates import AggregatesAsOf
from web.api.as_of import asked, asked_shape, moment_of
from web.api.pages import rendered
from web.api.parameters import PAGE, Parameter, whole
from web.api.routes import route
from web.api.shapes import ANY_OBJECT, COUNT, TEXT, TIME, many, obj, page_of
from web.platform import current_platform

STREAM = obj({"stream": TEXT, "category": TEXT, "version": COUNT, "began": TIME, "changed": TIME})
STATE = obj({"stream": TEXT, "category": TEXT, "version": COUNT, "newest": COUNT, "recorded": TIME,
             "state": {"type": ["object", "null"]}, "why": ANY_OBJECT})  # fmt: skip
STEP = obj({"version": COUNT, "position": COUNT, "type": TEXT, "event": TEXT, "recorded": TIME,
            "data": {}, "changes": many(ANY_OBJECT)})  # fmt: skip
CATEGORY = Parameter("category", "Only streams of this category, such as `model` or `dataset`.")
VERSION = Parameter("version", "As it was at this version: 1 is after its first event.")
ASKED = asked_shape("stream", obj({"version": COUNT}), STATE)
MOMENT = moment_of(AggregatesAsOf, optional=True)
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


@route("POST", "/aggregates/<stream>/as-of", "operator", answers=ASKED, body=MOMENT, once=False, also=(202,),
       may_fail=(404, 422))  # fmt: skip
def ask_aggregate(stream: str, body: dict[str, Any]) -> Response:
    """The fields of one whose class is in your handlers, at a `version` or a time; a worker replays it.

    202 where none has done so yet: `Location` says where to ask again, for an hour.
    """
    asking = current_platform().aggregates_as_of
    return asked(asking, stream, body, "api.get_aggregate_as_of")


@route("GET", "/aggregates/<stream>/as-of/<id>", "operator", answers=ASKED, may_fail=(404,))
def get_aggregate_as_of(stream: str, id: str) -> dict[str, Any]:
    """What a worker found; `answer` is null until then."""
    return current_platform().aggregates_as_of.answer(id, stream)
