"""Sessions: where one is signed in; for an administrator, where everybody is."""

from __future__ import annotations

from flask import render_template, session
from flask.typing import ResponseReturnValue

from web.auth import current_actor, requires
from web.auth.own_sessions import end, visible
from web.console.pages import act, blueprint, go


@blueprint.get("/sessions")
@requires("viewer")
def sessions() -> ResponseReturnValue:
    mine = str(session.get("_user_id", "")).split(":")[1:2]
    return render_template("sessions.html", sessions=visible(current_actor()), mine=mine)


@blueprint.post("/sessions/<id>/revoke")
@requires("viewer")
def revoke_session(id: str) -> ResponseReturnValue:
    act("That session is over; its next page is the sign-in.", end, id, current_actor())
    return go("/sessions")
