"""Commands: which there are and who may give them, and what became of those that were given."""

from __future__ import annotations

from flask import render_template
from flask.typing import ResponseReturnValue

from app.errors import Refused
from app.store.commands import STATES
from web.auth import current_identity, requires
from web.console.pages import blueprint, text_filter
from web.platform import current_platform

SEES_ALL = "operator"


@blueprint.get("/commands")
@requires("viewer")
def commands() -> ResponseReturnValue:
    """A viewer sees which there are; what others gave is for operators, as in the API."""
    platform, identity = current_platform(), current_identity()
    command, state = text_filter("command"), text_filter("state")
    if state and state not in STATES:
        raise Refused(f"A command is {', '.join(STATES[:-1])} or {STATES[-1]}, and not {state!r}.")
    sees = identity is not None and identity.may(SEES_ALL)
    return render_template(
        "commands.html",
        commands=platform.commands.list(),
        page=platform.commands.given(50, text_filter("cursor"), command, state) if sees else None,
        command=command,
        state=state,
        states=STATES,
    )
