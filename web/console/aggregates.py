"""Time travel: a model, a dataset or any aggregate over its history, step by step."""

from __future__ import annotations

from flask import render_template
from flask.typing import ResponseReturnValue

from app.sourcing.history import paths
from web.api.aggregates import whole
from web.api.parameters import parse_time
from web.auth import requires
from web.console.pages import blueprint, text_filter
from web.platform import current_platform


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
    past = current_platform().past
    at = text_filter("at")
    found = past.get(
        stream,
        version=None if at else whole("version", text_filter("version")),
        at=parse_time("at", at) if at else None,
    )
    return render_template(
        "aggregate.html",
        aggregate=found,
        fields=list(paths(found["state"] or {})),
        step=past.step(stream, found["version"]),
        history=past.history(stream, 50, text_filter("cursor")),
    )
