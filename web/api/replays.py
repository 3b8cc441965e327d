"""/replays: send parked or past events again, as an operation that can be watched and stopped."""

from __future__ import annotations

from typing import Any

from web.api.pages import rendered
from web.api.parameters import PAGE, Parameter
from web.api.routes import Body, route
from web.api.selection import ONE_WAY, REPLAY, read_selection
from web.api.shapes import (
    ANY_OBJECT,
    CLOUD_EVENT,
    COUNT,
    FLAG,
    MAYBE_TEXT,
    TEXT,
    closed,
    many,
    obj,
    page_of,
)
from web.auth import current_actor, nothing_done
from web.platform import current_platform
from web.rendering import answer

STATES = ["preparing", "canary", "running", "paused", "succeeded", "failed", "cancelled"]
REPLAY_STATE = obj({"id": TEXT, "state": {"enum": STATES}, "total": COUNT, "succeeded": COUNT,
                    "failed": COUNT, "pending": COUNT},
                   approval={"enum": [None, "needed", "given"]}, approved_by=MAYBE_TEXT)  # fmt: skip
PREVIEW = obj({"total": COUNT, "subscriptions": ANY_OBJECT, "sample": many(CLOUD_EVENT)},
              effects=ANY_OBJECT, downstream=ANY_OBJECT, edited=COUNT, edits=many(ANY_OBJECT),
              needs_approval=FLAG)  # fmt: skip
CONTROL: dict[str, Any] = {
    "answers": REPLAY_STATE,
    "body": Body(closed({}), optional=True),
    "may_fail": (404, 409),
}


@route("POST", "/replays", "operator", status=202, answers={"anyOf": [obj({"id": TEXT}), PREVIEW]},
       body=Body(REPLAY, rules=ONE_WAY), may_fail=(404, 409),
       query=(Parameter("dry_run", "1: only say what would be sent (status 200).", "flag",
                        default=False),))  # fmt: skip
def start_replay(dry_run: bool, body: dict[str, Any]) -> Any:
    """Send a selection of dead letters or past events again."""
    selection, options = read_selection(body)
    replays = current_platform().replays
    if dry_run:
        nothing_done()
        return answer(replays.preview(selection, options), 200)
    return {"id": replays.start(selection, options, current_actor())}


@route("GET", "/replays", "viewer", answers=page_of(REPLAY_STATE), query=PAGE)
def list_replays(limit: int, cursor: str | None) -> dict[str, Any]:
    """All replays; newest first."""
    return rendered(current_platform().replays.find(limit=limit, cursor=cursor))


@route("GET", "/replays/<id>", "viewer", answers=REPLAY_STATE, may_fail=(404,))
def get_replay(id: str) -> Any:
    """One replay and how far it is."""
    return current_platform().replays.get(id)


@route("POST", "/replays/<id>/pause", "operator", **CONTROL)
def pause_replay(id: str, body: dict[str, Any]) -> Any:
    """Send nothing more for now."""
    current_platform().replays.pause(id, current_actor())
    return current_platform().replays.get(id)


@route("POST", "/replays/<id>/resume", "operator", **CONTROL)
def resume_replay(id: str, body: dict[str, Any]) -> Any:
    """Go on with a paused replay."""
    current_platform().replays.resume(id, current_actor())
    return current_platform().replays.get(id)


@route("POST", "/replays/<id>/approve", "operator", **CONTROL)
def approve_replay(id: str, body: dict[str, Any]) -> Any:
    """Approve a replay that waits for a second person."""
    current_platform().replays.approve(id, current_actor())
    return current_platform().replays.get(id)


@route("POST", "/replays/<id>/cancel", "operator", **CONTROL)
def cancel_replay(id: str, body: dict[str, Any]) -> Any:
    """End it; what was not sent stays parked."""
    current_platform().replays.cancel(id, current_actor())
    return current_platform().replays.get(id)
