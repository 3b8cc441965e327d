"""/runs: everything that one root event caused."""

from __future__ import annotations

from typing import Any

from app.errors import NotFound
from app.subscriptions.rerun import rerun
from web.api.aggregates import AT
from web.api.pages import rendered
from web.api.parameters import PAGE, SINCE, UNTIL, Parameter, Q
from web.api.routes import Body, route
from web.api.shapes import (
    CLOUD_EVENT,
    COUNT,
    FLAG,
    MAYBE_NUMBER,
    MAYBE_TEXT,
    MAYBE_TIME,
    REASON,
    TEXT,
    TIME,
    closed,
    many,
    obj,
    page_of,
)
from web.auth import current_actor
from web.platform import current_platform
from web.rendering import cloud_event

STATES = ("running", "waiting", "succeeded", "failed", "cancelled")
HEAD = {"correlationid": TEXT, "state": {"enum": [*STATES]}, "outcome": MAYBE_TEXT,
        "started": TIME, "ended": MAYBE_TIME}  # fmt: skip
STEP = obj({"event": TEXT, "type": TEXT, "subscription": MAYBE_TEXT, "state": TEXT,
            "attempts": COUNT, "started": MAYBE_TIME, "ended": MAYBE_TIME,
            "causationid": MAYBE_TEXT, "error": MAYBE_TEXT})  # fmt: skip
RUN_HEAD = obj(
    HEAD, type=MAYBE_TEXT, subject=MAYBE_TEXT, events=COUNT, usual=MAYBE_NUMBER, stuck=FLAG
)
RUN = obj({**HEAD, "steps": many(STEP)}, as_of=TIME)
SIDE = {
    "type": ["object", "null"],
    "properties": {"event": TEXT, "state": TEXT, "attempts": COUNT, "queued": MAYBE_NUMBER,
                   "handled": MAYBE_NUMBER, "error": MAYBE_TEXT},
}  # fmt: skip
COMPARED = obj({"type": TEXT, "subscription": MAYBE_TEXT, "this": SIDE, "other": SIDE})
COMPARISON = obj({"run": RUN_HEAD, "other": RUN_HEAD, "steps": many(COMPARED)})


@route("GET", "/runs", "viewer", answers=page_of(RUN_HEAD), may_fail=(422,), follows="runs",
       query=(Parameter("state", "The run's state, or `stuck`: running for longer than its type's "
                        "usual (the 95th percentile).", "text", (*STATES, "stuck")),
              Parameter("type", "The root event's type."),
              Parameter("key", "The root event's partition key."),
              Parameter("data", "A field of the root event's data, as `customer.id=42`."),
              Q, SINCE, UNTIL, *PAGE))  # fmt: skip
def find_runs(**filters: Any) -> dict[str, Any]:
    """Runs without their steps; newest first."""
    return rendered(current_platform().runs.find(**filters))


@route("GET", "/runs/<path:correlationid>", "viewer", answers=RUN, may_fail=(404, 422),
       follows="runs", query=(AT,))  # fmt: skip
def get_run(correlationid: str, at: Any) -> Any:
    """One run, as it is or was: a step for each delivery, and for each event that nobody consumes."""
    return get_run_now(correlationid, at)


@route("POST", "/runs/<path:correlationid>/cancel", "operator", status=202, answers=RUN,
       body=Body(REASON, optional=True), may_fail=(404, 409))  # fmt: skip
def cancel_run(correlationid: str, body: dict[str, Any]) -> Any:
    """Stop a run's training; nothing of it is deployed."""
    current_platform().models.cancel(correlationid, current_actor(), body.get("reason", ""))
    return get_run_now(correlationid)


@route("GET", "/runs/<path:correlationid>/compare", "viewer", answers=COMPARISON, may_fail=(404,),
       follows="runs", query=(Parameter("with", "The other run; by default the last of its type that succeeded."),
              ))  # fmt: skip
def compare_run(correlationid: str, **query: Any) -> Any:
    """A run beside another, step by step: states, attempts, seconds queued and handled."""
    return current_platform().runs.compare(correlationid, query["with"])


@route("GET", "/runs/<path:correlationid>/export", "viewer", may_fail=(404,), follows="runs",
       answers=obj({"run": RUN, "events": many(CLOUD_EVENT)}))  # fmt: skip
def export_run(correlationid: str) -> Any:
    """All that is kept of a run: its steps with every attempt, and its events."""
    found = current_platform().runs.export(correlationid)
    if found is None:
        raise NotFound(f"There is no run {correlationid!r} (a new one takes a second to appear).")
    return {**found, "events": [cloud_event(event) for event in found["events"]]}


@route("POST", "/runs/<path:correlationid>/rerun", "operator", status=202, may_fail=(404, 409),
       answers=obj({"id": TEXT}),
       body=Body(closed({"event": TEXT, "subscription": TEXT},
                        reason={"type": "string", "maxLength": 2000})))  # fmt: skip
def rerun_step(correlationid: str, body: dict[str, Any]) -> Any:
    """Send the event of a run's step to its subscription again; the replay's id."""
    id = rerun(
        current_platform(), correlationid, body["event"], body["subscription"], current_actor(),
        body.get("reason", ""),
    )  # fmt: skip
    return {"id": id}


def get_run_now(correlationid: str, at: Any = None) -> Any:
    found = current_platform().runs.get(correlationid, at=at)
    if found is None:
        raise NotFound(f"There is no run {correlationid!r} (a new one takes a second to appear).")
    return found
