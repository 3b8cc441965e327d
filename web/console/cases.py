"""The cases of a join or a process: which keys are open, in which state, and until when they wait."""

from __future__ import annotations

from flask import render_template
from flask.typing import ResponseReturnValue

from web.auth import requires
from web.console.pages import blueprint, text_filter
from web.console.subscriptions import fetch
from web.platform import current_platform


@blueprint.get("/subscriptions/<path:name>/cases")
@requires("operator")
def cases(name: str) -> ResponseReturnValue:
    """Their fields are data of events, so they are for those who may see that."""
    platform, state = current_platform(), text_filter("state")
    return render_template(
        "cases.html",
        subscription=fetch(name),
        counts=platform.cases.counts(name),
        page=platform.cases.of(name, state, 50, text_filter("cursor")),
        state=state,
    )
