"""The cases of a join or a process: which keys are open, in which state, until when; and ending one."""

from __future__ import annotations

from flask import render_template, request
from flask.typing import ResponseReturnValue

from web.auth import current_actor, requires
from web.console import words
from web.console.pages import act, back, blueprint, field, go, text_filter
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


@blueprint.post("/subscriptions/<path:name>/cases/end")
@requires("operator")
def end_case(name: str) -> ResponseReturnValue:
    """End one that is stuck; its code doesn't run."""
    fetch(name)
    case = request.form.get("key", "")
    act(
        f"Ended the case {case}.",
        current_platform().cases.end,
        name,
        [case],
        current_actor(),
        field("reason"),
    )
    return go(back(f"/subscriptions/{words.segment(name)}/cases"))
