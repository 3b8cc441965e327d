"""The outbox: what its topic refuses, to be sent again or given up, and how far the relay is behind."""

from __future__ import annotations

from flask import render_template
from flask.typing import ResponseReturnValue

from web.auth import current_actor, requires
from web.console.pages import act, blueprint, field, go, text_filter
from web.platform import current_platform

PAGE = 30
DONE = {
    "retry": "The relay publishes it again. It is back here in a moment where its topic still refuses it.",
    "discard": "It is given up. The audit log keeps it.",
}


@blueprint.get("/outbox")
@requires("viewer")
def outbox() -> ResponseReturnValue:
    outgoing = current_platform().outgoing
    return render_template(
        "outbox.html", held=outgoing.status(), page=outgoing.refused(PAGE, text_filter("cursor"))
    )


@blueprint.post("/outbox/<int:id>/<any(retry, discard):what>")
@requires("operator")
def settle_outbox(id: int, what: str) -> ResponseReturnValue:
    do = getattr(current_platform().outgoing, what)
    act(DONE[what], do, id, current_actor(), field("reason"))
    return go("/outbox")
