"""/sessions: who is signed in from where; one's own, or for an administrator everybody's."""

from __future__ import annotations

from typing import Any

from web.api.pages import sliced
from web.api.parameters import PAGE
from web.api.routes import Body, route
from web.api.shapes import TEXT, TIME, closed, obj, page_of
from web.auth import current_actor
from web.auth.own_sessions import end, visible

SESSION = obj({"id": TEXT, "user": TEXT, "begun": TIME, "used": TIME, "address": TEXT,
               "agent": TEXT})  # fmt: skip


@route("GET", "/sessions", "viewer", answers=page_of(SESSION), query=PAGE)
def list_sessions(limit: int, cursor: str | None) -> dict[str, Any]:
    """The sessions that go on; for an administrator everybody's."""
    return sliced(visible(current_actor()), limit, cursor)


@route("POST", "/sessions/<id>/revoke", "viewer", answers=SESSION, may_fail=(404,),
       body=Body(closed({}), optional=True))  # fmt: skip
def revoke_session(id: str, body: dict[str, Any]) -> Any:
    """End a session of one's own; an administrator may end any."""
    return end(id, current_actor())
