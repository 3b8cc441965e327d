"""/topics and /schemas: what flows here, and what it must look like."""

from __future__ import annotations

from typing import Any

from app.errors import NotFound
from web.api.pages import sliced
from web.api.parameters import PAGE
from web.api.routes import route
from web.api.shapes import ANY_OBJECT, COUNT, MAYBE_TEXT, TEXT, many, obj, page_of
from web.platform import current_platform

TOPIC = obj({
    "name": TEXT, "partitions": COUNT, "events": COUNT, "first": MAYBE_TEXT, "last": MAYBE_TEXT,
    "bytes": COUNT, "types": many(TEXT), "subscriptions": many(TEXT),
})  # fmt: skip
SCHEMA = obj({"type": TEXT, "version": COUNT, "topic": TEXT, "tracking": TEXT,
              "schema": ANY_OBJECT, "doc": TEXT})  # fmt: skip


@route("GET", "/topics", "viewer", answers=page_of(TOPIC), query=PAGE)
def list_topics(limit: int, cursor: str | None) -> dict[str, Any]:
    """Every topic, by name: how much it keeps, its types, who subscribed."""
    return sliced(current_platform().topics.list(), limit, cursor)


@route("GET", "/schemas", "viewer", answers=page_of(SCHEMA), query=PAGE)
def list_schemas(limit: int, cursor: str | None) -> dict[str, Any]:
    """Every registered version of every event type, as JSON Schema."""
    return sliced(current_platform().schemas.all(), limit, cursor)


@route("GET", "/schemas/<type>", "viewer", answers=SCHEMA, may_fail=(404,))
def get_schema(type: str) -> dict[str, Any]:
    """The newest schema of an event type."""
    found = current_platform().schemas.get(type)
    if found is None:
        raise NotFound(f"The type {type!r} has no schema: `@event_type` gives it one.")
    return found
