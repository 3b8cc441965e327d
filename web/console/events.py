"""A search over events, and one event: its data, its cause, what it caused, its deliveries."""

from __future__ import annotations

from functools import partial
from typing import Any

from flask import Response, render_template
from flask.typing import ResponseReturnValue

from app.errors import NotFound, Refused
from app.events.schema import version_in
from app.store.page import Page
from web.auth import requires
from web.console import own_writes
from web.console.highlight import as_json
from web.console.pages import blueprint, chosen, since, text_filter
from web.console.schema_form import fields
from web.places import may
from web.platform import current_platform

FILTERS = ("type", "subject", "key", "correlationid", "q", "expression")
LIVE = ("type", "subject", "key", "expression")
PAST = ("type", "subject", "key", "q", "expression")


@blueprint.get("/events")
@requires("viewer")
def events() -> ResponseReturnValue:
    window = chosen("since", "all")
    expression, problem = text_filter("expression"), ""
    find = partial(
        current_platform().archive.find,
        type=text_filter("type"),
        subject=text_filter("subject"),
        partitionkey=text_filter("key"),
        correlationid=text_filter("correlationid"),
        since=since(window),
        q=text_filter("q"),
        limit=50,
        cursor=text_filter("cursor"),
    )
    try:
        page = find(expression=expression) if expression else find()
    except Refused as refused:  # the expression: what was written stays, to be mended
        page, problem = Page(), str(refused)
    filtered = any(chosen(f) for f in (*FILTERS, "cursor"))
    return render_template(
        "events.html",
        page=page,
        since=window,
        filtered=filtered or window != "all",
        problem=problem,
        live={name: chosen(name) for name in LIVE if chosen(name)},
        past={
            {"key": "partitionkey"}.get(name, name): chosen(name) for name in PAST if chosen(name)
        },
    )


@blueprint.get("/events/<path:id>")
@requires("viewer")
def event(id: str) -> ResponseReturnValue:
    platform = current_platform()
    if (late := own_writes.late()) and platform.archive.get(id) is None:
        return own_writes.not_yet_page(late)
    found = fetch(id)
    whole = found["event"]
    correlationid = whole.get("correlationid") or whole["id"]
    run = platform.runs.get(correlationid)
    steps = run["steps"] if run else []
    caused = [s for s in steps if s["causationid"] == id]
    return render_template(
        "event.html",
        found=found,
        event=whole,
        correlationid=correlationid,
        run=run,
        deliveries=[s for s in steps if s["event"] == id and s["subscription"]],
        caused=list({s["event"]: s for s in caused}.values()),
        cause=next((s for s in steps if s["event"] == whole.get("causationid")), None),
        data_only=whole.get("data"),
        envelope={k: v for k, v in whole.items() if k not in ("data", "data_base64")},
        letters=[x for x in letters_of(id) if x["event"]["id"] == id],
        audited=audited(id, whole.get("causationid")),
        **schema_beside(whole),
    )


@blueprint.get("/events/<path:id>/raw")
@requires("viewer")
def raw_event(id: str) -> ResponseReturnValue:
    """The event as it is kept, as text: a browser shows it and never runs it."""
    text = as_json(fetch(id)["event"])
    return Response(text, content_type="text/plain; charset=utf-8")


def schema_beside(event: dict[str, Any]) -> dict[str, Any]:
    """The schema that the event was checked against (else the type's newest), field by field."""
    rows = [row for row in current_platform().schemas.all() if row["type"] == event["type"]]
    version = version_in(event.get("dataschema"))
    schema = next((row for row in rows if row["version"] == version), rows[0] if rows else None)
    data = event.get("data")
    given = set(data) if isinstance(data, dict) else set()
    shown = fields(schema["schema"], {}, {}) if schema else []
    return {
        "schema": schema,
        "same_version": schema is not None and schema["version"] == version,
        "fields": [(one, one.name in given) for one in shown],
        "unnamed": sorted(given - {one.name for one in shown}),
    }


def audited(id: str, cause: str | None) -> dict[str, str] | None:
    """The filter of the audit that finds who published this event, or what it or its cause led to."""
    if not may("administrator"):
        return None
    find = current_platform().audit.find
    filters = [{"target": f"event:{id}"}, {"cause": id}, *([{"cause": cause}] if cause else [])]
    return next((one for one in filters if find(**one, limit=1).items), None)


def fetch(id: str) -> dict[str, Any]:
    found = current_platform().archive.get(id)
    if found is None:
        raise NotFound(
            f"The archive has no event {id!r}. It may be younger than a few seconds, or older than "
            "what is kept: look again, or search for its type."
        )
    return dict(found)


def letters_of(id: str) -> list[dict[str, Any]]:
    """The dead letters of an event, in whatever state."""
    return list(current_platform().dead_letters.of_event(id))
