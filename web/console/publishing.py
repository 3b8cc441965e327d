"""Publishing one event by hand: a form from its type's schema, or its data as JSON."""

from __future__ import annotations

from typing import Any

import msgspec
from flask import render_template, request
from flask.typing import ResponseReturnValue

from app.errors import EventTooLarge, InvalidEvents, Refused
from app.events.event import Event
from web.auth import current_actor, requires
from web.console.pages import blueprint, chosen, field, go, query, say
from web.console.schema_form import data_of, fields
from web.platform import current_platform

SOURCE = "/console"


@blueprint.get("/publish")
@requires("operator")
def publish_form() -> ResponseReturnValue:
    return form(chosen("type"), chosen("as") == "json")


@blueprint.post("/publish")
@requires("operator")
def publish_by_hand() -> ResponseReturnValue:
    """Publish it, or show the form again with what is wrong beside each field. Nothing is lost."""
    platform, type = current_platform(), field("type")
    schema = schema_of(type)
    raw = "raw" in request.form or schema is None
    data, problems = read(schema, raw)
    if not problems:
        given: dict[str, Any] = {name: field(name) or None for name in ("subject", "partitionkey")}
        event = Event(type=type, source=SOURCE, data=data, **given)
        try:
            with platform.audit.changing(
                current_actor(), "event.published", f"event:{event.id}"
            ) as change:
                change.after = {"type": type}
                platform.publisher.publish([event])
        except InvalidEvents as error:
            problems = {where(one): str(one["problem"]) for one in error.problems}
        except (EventTooLarge, Refused) as error:
            problems = {"": str(error)}
        else:
            say(f"{type} is published, with the id {event.id}. It appears here within seconds.")
            return go(f"/events{query({'correlationid': event.id})}")
    return form(type, raw, problems)


def read(schema: dict[str, Any] | None, raw: bool) -> tuple[Any, dict[str, str]]:
    """The data of the form that was sent, and what can't be read, by field."""
    if not raw and schema is not None:
        return data_of(schema, request.form)
    try:
        return msgspec.json.decode(request.form.get("raw", "")), {}
    except (msgspec.DecodeError, UnicodeError) as error:
        return None, {"": f"The data is not JSON: {error}"}


def where(problem: dict[str, Any]) -> str:
    """The field of the form that a publisher's problem belongs to; empty for the whole."""
    return str(problem.get("field") or "").removeprefix("data.").split(".")[0]


def form(type: str, raw: bool, problems: dict[str, str] | None = None) -> ResponseReturnValue:
    schema = schema_of(type) if type else None
    given, problems = request.form, problems or {}
    shown = fields(schema, given, problems) if schema and not raw else []
    placed = {one.name for one in shown}
    types = sorted({row["type"] for row in current_platform().schemas.all()})
    page = render_template(
        "publish.html",
        type=type,
        types=types,
        fields=shown,
        raw=raw or schema is None,
        has_schema=schema is not None,
        text=given.get("raw", "{}"),
        given=given,
        others=[f"{k}: {v}" if k else v for k, v in problems.items() if k not in placed],
    )
    return (page, 422) if problems else page


def schema_of(type: str) -> dict[str, Any] | None:
    found = current_platform().schemas.get(type)
    return dict(found["schema"]) if found else None
