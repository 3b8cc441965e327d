"""/runs: everything that one root event caused."""

from __future__ import annotations

from typing import Any

from app.errors import NotFound
from web.api.pages import rendered
from web.api.parameters import PAGE, SINCE, UNTIL, Parameter, Q
from web.api.routes import Body, route
from web.api.shapes import COUNT, MAYBE_TEXT, MAYBE_TIME, REASON, TEXT, TIME, many, obj, page_of
from web.auth import current_actor
from web.platform import current_platform

STATES = ("running", "waiting", "succeeded", "failed", "cancelled")
HEAD = {"correlationid": TEXT, "state": {"enum": [*STATES]}, "outcome": MAYBE_TEXT,
        "started": TIME, "ended": MAYBE_TIME}  # fmt: skip
STEP = obj({"event": TEXT, "type": TEXT, "subscription": MAYBE_TEXT, "state": TEXT,
            "attempts": COUNT, "started": MAYBE_TIME, "ended": MAYBE_TIME,
            "causationid": MAYBE_TEXT, "error": MAYBE_TEXT})  # fmt: skip
RUN_HEAD = obj(HEAD, type=MAYBE_TEXT, subject=MAYBE_TEXT, events=COUNT)
RUN = obj({**HEAD, "steps": many(STEP)})


@route("GET", "/runs", "viewer", answers=page_of(RUN_HEAD),
       query=(Parameter("state", "The run's state.", "text", STATES),
              Parameter("type", "The root event's type."), Q, SINCE, UNTIL, *PAGE))  # fmt: skip
def find_runs(**filters: Any) -> dict[str, Any]:
    """Runs without their steps; newest first."""
    return rendered(current_platform().runs.find(**filters))


@route("GET", "/runs/<path:correlationid>", "viewer", answers=RUN, may_fail=(404,))
def get_run(correlationid: str) -> Any:
    """One run: a step for each delivery, and for each event that nobody consumes."""
    return get_run_now(correlationid)


@route("POST", "/runs/<path:correlationid>/cancel", "operator", status=202, answers=RUN,
       body=Body(REASON, optional=True), may_fail=(404, 409))  # fmt: skip
def cancel_run(correlationid: str, body: dict[str, Any]) -> Any:
    """Stop a run's training; nothing of it is deployed."""
    current_platform().models.cancel(correlationid, current_actor(), body.get("reason", ""))
    return get_run_now(correlationid)


def get_run_now(correlationid: str) -> Any:
    found = current_platform().runs.get(correlationid)
    if found is None:
        raise NotFound(f"There is no run {correlationid!r} (a new one takes a second to appear).")
    return found
