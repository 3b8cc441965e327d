"""A filter's dry run over the last events, before it is saved."""

from __future__ import annotations

from flask import render_template, request
from flask.typing import ResponseReturnValue

from app.subscriptions.filter_trial import try_filter
from web.auth import requires, unaudited
from web.console import changing
from web.console.pages import blueprint, field
from web.console.subscriptions import fetch
from web.platform import current_platform


@blueprint.post("/subscriptions/<path:name>/try-filter")
@unaudited("a trial: nothing is changed")
@requires("operator")
def try_subscription_filter(name: str) -> ResponseReturnValue:
    """What the filter in the form would let through. Nothing is changed."""
    found = fetch(name)
    wanted = changing.changes(found, {"filter": request.form.get("filter", "")})
    filter = wanted.get("filter", found["filter"])
    return render_template(
        "filter-trial.html",
        subscription=found,
        trial=try_filter(current_platform(), name, filter),
        text=field("filter"),
    )
