"""/projections: the archive, the console's rows and authors' projections: how far each is, and rebuilding."""

from __future__ import annotations

from typing import Any

from flask import Response

from app.cqrs.as_of.projections import ProjectionsAsOf
from web.api.as_of import asked, asked_shape, moment_of
from web.api.pages import sliced
from web.api.parameters import PAGE
from web.api.routes import Body, route
from web.api.shapes import (
    COUNT,
    FLAG,
    MAYBE_COUNT,
    MAYBE_NUMBER,
    MAYBE_TEXT,
    MAYBE_TIME,
    REASON,
    TEXT,
    many,
    obj,
    page_of,
)  # fmt: skip
from web.auth import current_actor
from web.platform import current_platform

DISTANCE = obj({"events": MAYBE_COUNT, "seconds": MAYBE_NUMBER})
STOPPED_BY = {
    "type": ["object", "null"],
    "description": "The event that stopped it: its position, type, id and error.",
}
LIVE = {
    "type": "boolean",
    "description": "False where it is built beside another's tables, and waits for that one's removal.",
}
DECLARED = {
    "type": ["boolean", "null"],
    "description": "Whether a live worker's code has it; null where no worker is alive.",
}
SLOW = {
    "type": ["object", "null"],
    "description": "Where its function takes long just now: `since` when, at which event, in which worker, what to do.",
}
PROJECTION = obj({"name": TEXT, "state": TEXT, "behind": DISTANCE}, kind=TEXT, backlog=MAYBE_COUNT, open=COUNT,
                 lag=MAYBE_NUMBER, version=COUNT, position=COUNT, head=COUNT,
                 problem=MAYBE_TEXT, stopped_by=STOPPED_BY, older_code=FLAG, live=LIVE,
                 declared=DECLARED, slow=SLOW)  # fmt: skip
NEWER = obj({"newer": {
    "type": ["object", "null"],
    "description": "`events` of versions above `above`, up to the position `until`; null where no such event stops it.",
    "properties": {"type": TEXT, "above": COUNT, "events": COUNT, "until": COUNT},
}})  # fmt: skip
UNTIL = {**COUNT, "description": "Leave none out behind this position: the one that was shown."}
ONE = obj({"name": TEXT, "kind": TEXT, "state": TEXT, "behind": DISTANCE}, position=COUNT,
          lag=MAYBE_NUMBER, live=LIVE, declared=DECLARED, slow=SLOW)  # fmt: skip
WHY = Body(REASON, optional=True)
UP_TO = Body({**REASON, "properties": {**REASON["properties"], "until": UNTIL}}, optional=True)
MAYBE_ROW = {"type": ["object", "null"]}
ROW = obj(
    {"kind": {"enum": ["changed", "gone", "new", "same"]}, "then": MAYBE_ROW, "now": MAYBE_ROW}
)
TABLE = obj({"table": TEXT, "columns": many(TEXT), "key": many(TEXT), "then": COUNT, "now": MAYBE_COUNT,
             "new": MAYBE_COUNT, "gone": MAYBE_COUNT, "changed": MAYBE_COUNT, "rows": many(ROW)})  # fmt: skip
PAST = obj({"position": COUNT, "events": COUNT, "tables": many(TABLE), "cut": FLAG,
            "live": {"type": ["object", "null"]}})  # fmt: skip
ASKED = asked_shape("projection", obj({"position": COUNT, "at": MAYBE_TIME}), PAST)
MOMENT = moment_of(ProjectionsAsOf)


@route("GET", "/projections", "viewer", answers=page_of(PROJECTION), query=PAGE)
def list_projections(limit: int, cursor: str | None) -> dict[str, Any]:
    """The archive, the console's read models and authors' projections, and how far behind each is.

    Those of the console lag in seconds, those of the event store in events.
    """
    return sliced(current_platform().projections.all(), limit, cursor)


@route(
    "GET", "/projections/<path:name>", "viewer", answers=ONE, may_fail=(404, 409), follows="<name>"
)
def get_projection(name: str) -> dict[str, Any]:
    """One projection of the event store: position, lag, and the build beside it.

    With `after`, it answers when it has come to that position: its tables include what was written.
    """
    return current_platform().projections.get(name)


def _then(name: str) -> dict[str, Any]:
    return current_platform().projections.get(name)


@route(
    "POST",
    "/projections/<path:name>/rebuild",
    "operator",
    answers=ONE,
    body=WHY,
    may_fail=(404, 409, 422),
)
def rebuild_projection(name: str, body: dict[str, Any]) -> dict[str, Any]:
    """Build it anew beside the live one, which it replaces when it has caught up."""
    current_platform().projections.rebuild(name, current_actor(), body.get("reason", ""))
    return _then(name)


@route(
    "POST", "/projections/<path:name>/cancel", "operator", answers=ONE, body=WHY,
    may_fail=(404, 409, 422),
)  # fmt: skip
def cancel_projection(name: str, body: dict[str, Any]) -> dict[str, Any]:
    """Leave the build beside it, and its tables; the live one stays as it is."""
    current_platform().projections.cancel(name, current_actor(), body.get("reason", ""))
    return _then(name)


@route(
    "POST", "/projections/<path:name>/remove", "operator", body=WHY, may_fail=(404, 409, 422),
    answers=obj({"removed": TEXT, "dropped": many(TEXT)}),
)  # fmt: skip
def remove_projection(name: str, body: dict[str, Any]) -> dict[str, Any]:
    """Forget one whose code no live worker has any more, and drop its tables that no other keeps."""
    dropped = current_platform().projections.remove(name, current_actor(), body.get("reason", ""))
    return {"removed": name, "dropped": dropped}


@route(
    "POST", "/projections/<path:name>/pause", "operator", answers=ONE, body=WHY, may_fail=(404, 422)
)
def pause_projection(name: str, body: dict[str, Any]) -> dict[str, Any]:
    """Read no further, until it is resumed."""
    current_platform().projections.pause(name, current_actor(), body.get("reason", ""))
    return _then(name)


@route(
    "POST",
    "/projections/<path:name>/resume",
    "operator",
    answers=ONE,
    body=WHY,
    may_fail=(404, 422),
)
def resume_projection(name: str, body: dict[str, Any]) -> dict[str, Any]:
    """Go on; one that an event stopped tries that event again."""
    current_platform().projections.resume(name, current_actor(), body.get("reason", ""))
    return _then(name)


@route(
    "POST", "/projections/<path:name>/skip", "operator", answers=ONE, body=WHY, may_fail=(404, 409)
)
def skip_projection(name: str, body: dict[str, Any]) -> dict[str, Any]:
    """Leave out the event that stopped it, and go on behind it."""
    current_platform().projections.skip(name, current_actor(), body.get("reason", ""))
    return _then(name)


@route("GET", "/projections/<path:name>/skip-newer", "viewer", answers=NEWER, may_fail=(404,))
def get_newer(name: str) -> dict[str, Any]:
    """What `POST` would leave out: the events that only newer code reads, of the type that stopped it."""
    return {"newer": current_platform().projections.newer(name)}


@route(
    "POST", "/projections/<path:name>/skip-newer", "operator", body=UP_TO, may_fail=(404, 409),
    answers=obj({"leaves_out": COUNT}),
)  # fmt: skip
def skip_newer(name: str, body: dict[str, Any]) -> dict[str, Any]:
    """Leave them out, after newer code was rolled back for good; how many these are."""
    projections, reason = current_platform().projections, body.get("reason", "")
    return {"leaves_out": projections.skip_newer(name, current_actor(), reason, body.get("until"))}


@route(
    "POST",
    "/projections/<path:name>/reset",
    "operator",
    answers=ONE,
    body=WHY,
    may_fail=(404, 409, 422),
)
def reset_projection(name: str, body: dict[str, Any]) -> dict[str, Any]:
    """Empty its tables and begin at the first event."""
    current_platform().projections.reset(name, current_actor(), body.get("reason", ""))
    return _then(name)


@route(
    "POST", "/projections/<path:name>/as-of", "operator", answers=ASKED, body=MOMENT, once=False, also=(202,),
    may_fail=(404, 422),
)  # fmt: skip
def ask_projection(name: str, body: dict[str, Any]) -> Response:
    """Its rows as they were `at` a time, or after a `position`, beside those of now; a worker builds them.

    202 where none has done so yet: `Location` says where to ask again, for an hour.
    """
    asking = current_platform().projections_as_of
    return asked(asking, name, body, "api.get_projection_as_of")


@route(
    "GET", "/projections/<path:name>/as-of/<id>", "operator", answers=ASKED, may_fail=(404,)
)  # fmt: skip
def get_projection_as_of(name: str, id: str) -> dict[str, Any]:
    """What a worker found; `answer` is null until then."""
    return current_platform().projections_as_of.answer(id, name)
