"""Time travel: a model, a dataset or any aggregate over its history, step by step."""

from __future__ import annotations

from typing import Any

from flask import redirect, render_template
from flask.typing import ResponseReturnValue

from app.errors import NotFound, Refused
from app.sourcing.history import paths
from app.store.page import cursor_of
from web.api.parameters import parse_time, whole
from web.auth import requires
from web.console import words
from web.console.as_of import ask
from web.console.pages import blueprint, text_filter
from web.platform import current_platform
from web.problems import BadInput

HISTORY, LATER = 50, 5
"""Events in the list, and how many of them come after the one that is shown."""


@blueprint.get("/aggregates")
@requires("viewer")
def aggregates() -> ResponseReturnValue:
    category = text_filter("category")
    page = current_platform().past.find(category, 50, text_filter("cursor"))
    return render_template("aggregates.html", page=page, category=category)


@blueprint.get("/aggregates/<stream>")
@requires("viewer")
def aggregate(stream: str) -> ResponseReturnValue:
    """As it was at a version (the slider's) or a time; its fields, why they are so, and this step."""
    past, problem = current_platform().past, ""
    at, version = text_filter("at"), text_filter("version")
    try:
        found = past.get(
            stream,
            version=None if at else whole("The version", version),
            at=parse_time("The time", at) if at else None,
        )
    except (NotFound, Refused, BadInput) as error:
        if not (at or version):
            raise
        found, problem = past.get(stream), str(error)
    page = _page(found, past.step(stream, found["version"]), problem=problem)
    return (page, 422) if problem else page


@blueprint.get("/positions/<int:position>")
@requires("viewer")
def at_position(position: int) -> ResponseReturnValue:
    """The event at this position of the event store, which a projection, a command or the audit names."""
    store = current_platform().event_store
    there = 0 < position <= store.head()
    found = store.read_all(after=position - 1, limit=1, typed=False) if there else []
    if not found or found[0].position != position:
        raise NotFound(
            f"The event store has no event at {position:,}: it ends at {store.head():,}."
        )
    stream = words.segment(found[0].stream)
    return redirect(f"/aggregates/{stream}?version={found[0].version}#step")


@blueprint.post("/aggregates/<stream>/as-of")
@requires("operator")
def ask_aggregate(stream: str) -> ResponseReturnValue:
    """Have a worker, which has its class, replay it to a version or a time."""
    page = f"/aggregates/{words.segment(stream)}"
    return ask(current_platform().aggregates_as_of, stream, page)


@blueprint.get("/aggregates/<stream>/as-of/<id>")
@requires("operator")
def aggregate_as_of(stream: str, id: str) -> ResponseReturnValue:
    """What a worker found, on the page of that version."""
    platform = current_platform()
    told, past = platform.aggregates_as_of.answer(id, stream), platform.past
    found = told["answer"]
    if found:
        found = {**found, "newest": past.get(stream)["newest"]}
        return _page(found, found["step"], told)
    version = told["asked"]["version"]
    return _page(past.get(stream, version=version), past.step(stream, version), told)


def _page(
    found: dict[str, Any],
    step: dict[str, Any],
    told: dict[str, Any] | None = None,
    problem: str = "",
) -> str:
    cursor = text_filter("cursor") or around(found["version"], found["newest"])
    history = current_platform().past.history(found["stream"], HISTORY, cursor)
    first = history.items[0]["version"] if history.items else found["newest"]
    return render_template(
        "aggregate.html",
        aggregate=found,
        fields=list(paths(found["state"] or {})),
        step=step,
        history=history,
        later=cursor_of(found["newest"]) if first < found["newest"] else None,
        told=told,
        problem=problem,
    )


def around(version: int, newest: int) -> str | None:
    """Where the list of events begins so that the one that is shown is among them."""
    first = version + LATER
    return cursor_of(first) if first < newest else None
