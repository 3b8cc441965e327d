"""/dead-letters: what was parked, in groups or one by one, and discarding it."""

from __future__ import annotations

from typing import Any

from app.errors import NotFound
from web.api.pages import rendered, sliced
from web.api.parameters import PAGE, SINCE, UNTIL, Parameter, Q
from web.api.routes import Body, route
from web.api.selection import SELECTION, read_selection
from web.api.shapes import CLOUD_EVENT, COUNT, TEXT, TIME, many, obj, page_of
from web.auth import current_actor
from web.platform import current_platform

ATTEMPT = obj({"at": TIME, "error": TEXT}, traceback={"type": ["string", "null"]})
LETTER = obj({"id": TEXT, "event": CLOUD_EVENT, "subscription": TEXT, "reason": TEXT,
              "parked": TIME, "attempts": many(ATTEMPT), "group": TEXT}, state=TEXT)  # fmt: skip
GROUP = obj({"id": TEXT, "title": TEXT, "subscription": TEXT, "count": COUNT, "first": TIME,
             "last": TIME}, frame={"type": ["string", "null"]}, bars=many(COUNT))  # fmt: skip

STATE = Parameter(
    "state", "By default those that are parked now.", "text",
    ("parked", "replaying", "replayed", "discarded", "all"), "parked",
)  # fmt: skip
FILTERS = (
    Parameter("subscription", "The subscription that gave up."),
    Parameter("type", "The event's type."), SINCE, UNTIL, Q, STATE,
)  # fmt: skip


@route("GET", "/dead-letters", "viewer", answers=page_of(LETTER),
       query=(*FILTERS, Parameter("group", "The group's id."), *PAGE))  # fmt: skip
def find_dead_letters(state: str, **filters: Any) -> dict[str, Any]:
    """What was parked; newest first."""
    letters = current_platform().dead_letters
    return rendered(letters.find(state=None if state == "all" else state, **filters))


@route("GET", "/dead-letters/groups", "viewer", answers=page_of(GROUP), query=(*FILTERS, *PAGE))
def group_dead_letters(
    state: str, limit: int, cursor: str | None, **filters: Any
) -> dict[str, Any]:
    """What was parked, grouped by what went wrong."""
    letters = current_platform().dead_letters
    groups = letters.groups(state=None if state == "all" else state, **filters)
    return sliced(groups, limit, cursor)


@route("GET", "/dead-letters/<id>", "viewer", answers=LETTER, may_fail=(404,))
def get_dead_letter(id: str) -> Any:
    """One dead letter: the whole event and every attempt."""
    found = current_platform().dead_letters.get(id)
    if found is None:
        raise NotFound(f"There is no dead letter {id!r}.")
    return found


@route("POST", "/dead-letters/discard", "operator", answers=obj({"discarded": COUNT}),
       body=Body({**SELECTION, "properties": {**SELECTION["properties"], "reason": TEXT}}),
       may_fail=(404,))  # fmt: skip
def discard_dead_letters(body: dict[str, Any]) -> dict[str, Any]:
    """Put them aside: they are kept, and no longer count as failures."""
    selection, _ = read_selection(body)
    reason = body.get("reason", "")
    done = current_platform().replays.discard(selection, current_actor(), reason)
    return {"discarded": done}
