"""/dead-letters: what was parked, in groups or one by one, and discarding it."""

from __future__ import annotations

from typing import Any

from app.errors import NotFound
from web.api.pages import rendered, sliced
from web.api.parameters import PAGE, SINCE, UNTIL, Parameter, Q, parse_time
from web.api.positions import OUTCOMES
from web.api.routes import Body, route
from web.api.selection import ONE_WAY, PATCH_OPERATION, SELECTION, read_selection
from web.api.shapes import CLOUD_EVENT, COUNT, TEXT, TIME, Schema, closed, many, obj, page_of
from web.auth import current_actor
from web.platform import current_platform

ATTEMPT = obj({"at": TIME, "error": TEXT}, traceback={"type": ["string", "null"]})
LETTER = obj({"id": TEXT, "event": CLOUD_EVENT, "subscription": TEXT, "reason": TEXT,
              "parked": TIME, "attempts": many(ATTEMPT), "group": TEXT}, state=TEXT)  # fmt: skip
GROUP = obj({"id": TEXT, "title": TEXT, "subscription": TEXT, "count": COUNT, "first": TIME,
             "last": TIME}, frame={"type": ["string", "null"]}, bars=many(COUNT),
            state={"enum": ["open", "acknowledged", "ignored", "resolved"]},
            by={"type": ["string", "null"]}, note=TEXT, seen=COUNT)  # fmt: skip

STATE = Parameter(
    "state", "By default those that are parked now.", "text",
    ("parked", "replaying", "replayed", "discarded", "all"), "parked",
)  # fmt: skip
LIFE = Parameter(
    "life", "Groups in this state only; those that are resolved have nothing parked.", "text",
    ("any", "open", "acknowledged", "ignored", "resolved"), "any",
)  # fmt: skip
NOTE: Schema = {"type": "string", "maxLength": 2000}
FILTERS = (
    Parameter("subscription", "The subscription that gave up."),
    Parameter("type", "The event's type."), SINCE, UNTIL, Q, STATE,
)  # fmt: skip


@route("GET", "/dead-letters", "viewer", follows=OUTCOMES, answers=page_of(LETTER),
       query=(*FILTERS, Parameter("group", "The group's id."), *PAGE))  # fmt: skip
def find_dead_letters(state: str, **filters: Any) -> dict[str, Any]:
    """What was parked; newest first."""
    letters = current_platform().dead_letters
    return rendered(letters.find(state=None if state == "all" else state, **filters))


@route("GET", "/dead-letters/groups", "viewer", follows=OUTCOMES, answers=page_of(GROUP),
       query=(*FILTERS, LIFE, *PAGE))  # fmt: skip
def group_dead_letters(
    state: str, life: str, limit: int, cursor: str | None, **filters: Any
) -> dict[str, Any]:
    """What was parked, grouped by what went wrong."""
    groups = current_platform().failures.groups(
        state=None if state == "all" else state,
        life=None if life == "any" else life,
        bars=False,
        **filters,
    )
    page = sliced(groups, limit, cursor)
    return {**page, "items": current_platform().failures.with_bars(page["items"])}


@route(
    "GET", "/dead-letters/groups/<id>", "viewer", follows=OUTCOMES, answers=GROUP, may_fail=(404,)
)
def get_failure_group(id: str) -> Any:
    """One group, whatever its state."""
    return current_platform().failures.group(id)


@route("POST", "/dead-letters/groups/<id>/acknowledge", "operator", answers=GROUP,
       body=Body(closed({}, note=NOTE), optional=True), may_fail=(404,))  # fmt: skip
def acknowledge_failure_group(id: str, body: dict[str, Any]) -> Any:
    """Say that somebody is at it."""
    return current_platform().failures.acknowledge(id, current_actor(), body.get("note", ""))


@route("POST", "/dead-letters/groups/<id>/ignore", "operator", answers=GROUP,
       body=Body(closed({}, note=NOTE, until=TIME, above={"type": "integer", "minimum": 1})),
       may_fail=(404,))  # fmt: skip
def ignore_failure_group(id: str, body: dict[str, Any]) -> Any:
    """Ask nobody until a time, or until it happens more than `above` times a minute."""
    until = parse_time("until", body["until"]) if "until" in body else None
    return current_platform().failures.ignore(
        id, current_actor(), body.get("note", ""), until, body.get("above")
    )


@route("POST", "/dead-letters/groups/<id>/reopen", "operator", answers=GROUP,
       body=Body(closed({}, note=NOTE), optional=True), may_fail=(404,))  # fmt: skip
def reopen_failure_group(id: str, body: dict[str, Any]) -> Any:
    """Ask for a person again."""
    return current_platform().failures.reopen(id, current_actor(), body.get("note", ""))


@route("PUT", "/dead-letters/<id>/edit", "operator", answers=LETTER, once=False, may_fail=(404, 409),
       body=Body(closed({"patch": {**many(PATCH_OPERATION), "minItems": 1}})))  # fmt: skip
def prepare_edit(id: str, body: dict[str, Any]) -> Any:
    """Keep an edit for its next replay; sent with `prepared_edits`."""
    return current_platform().failures.prepare_edit(id, body["patch"], current_actor())


@route(
    "DELETE", "/dead-letters/<id>/edit", "operator", answers=LETTER, once=False, may_fail=(404, 409)
)
def drop_edit(id: str) -> Any:
    """Take a prepared edit away."""
    return current_platform().failures.drop_edit(id, current_actor())


@route("GET", "/dead-letters/<id>", "viewer", follows=OUTCOMES, answers=LETTER, may_fail=(404,))
def get_dead_letter(id: str) -> Any:
    """One dead letter: the whole event and every attempt."""
    found = current_platform().dead_letters.get(id)
    if found is None:
        raise NotFound(f"There is no dead letter {id!r}.")
    return found


@route("POST", "/dead-letters/discard", "operator", answers=obj({"discarded": COUNT}),
       body=Body({**SELECTION, "properties": {**SELECTION["properties"], "reason": TEXT}}, rules=ONE_WAY),
       may_fail=(404,))  # fmt: skip
def discard_dead_letters(body: dict[str, Any]) -> dict[str, Any]:
    """Put them aside: they are kept, and no longer count as failures."""
    selection, _ = read_selection(body)
    reason = body.get("reason", "")
    done = current_platform().replays.discard(selection, current_actor(), reason)
    return {"discarded": done}
