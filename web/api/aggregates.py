"""/aggregates: any model, dataset or aggregate of an author's, as it was at a version or a time."""

from __future__ import annotations

from typing import Any

from web.api.pages import rendered
from web.api.parameters import PAGE, Parameter
from web.api.routes import route
from web.api.shapes import ANY_OBJECT, COUNT, TEXT, TIME, many, obj, page_of
from web.platform import current_platform
from web.problems import BadInput

STREAM = obj({"stream": TEXT, "category": TEXT, "version": COUNT, "began": TIME, "changed": TIME})
STATE = obj({"stream": TEXT, "category": TEXT, "version": COUNT, "newest": COUNT, "recorded": TIME,
             "state": {"type": ["object", "null"]}, "why": ANY_OBJECT})  # fmt: skip
STEP = obj({"version": COUNT, "position": COUNT, "type": TEXT, "event": TEXT, "recorded": TIME,
            "data": {}, "changes": many(ANY_OBJECT)})  # fmt: skip
CATEGORY = Parameter("category", "Only streams of this category, such as `model` or `dataset`.")
VERSION = Parameter("version", "As it was at this version: 1 is after its first event.")
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


def whole(name: str, text: str | None) -> int | None:
    """A version from a query. Raises BadInput."""
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise BadInput(f"{name} is {text[:20]!r}; it must be a whole number from 1.")
    return int(text)
