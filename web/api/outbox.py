"""/outbox: what SQL has committed and its topic refuses, and how far the relay is behind."""

from __future__ import annotations

from typing import Any

from web.api.pages import rendered
from web.api.parameters import PAGE
from web.api.routes import Body, route
from web.api.shapes import CLOUD_EVENT, COUNT, MAYBE_TEXT, NUMBER, REASON, TEXT, obj, page_of
from web.auth import current_actor
from web.platform import current_platform

REFUSED = obj({"id": COUNT, "problem": TEXT, "event": CLOUD_EVENT})
RELAY = obj(
    {"owner": MAYBE_TEXT, "position": COUNT, "head": COUNT, "lag": COUNT, "seconds": NUMBER}
)
HELD = page_of(REFUSED)
HELD = obj(
    HELD["properties"] | {"waiting": COUNT, "later": COUNT, "refused": COUNT, "relay": RELAY}
)
WHY = Body(REASON, optional=True)


@route("GET", "/outbox", "viewer", answers=HELD, query=PAGE)
def list_outbox(limit: int, cursor: str | None) -> dict[str, Any]:
    """The events that can't be published, newest first; beside them how much waits, and the relay's lag.

    A page ends where its events come to 4 MiB.
    """
    outgoing = current_platform().outgoing
    return {**rendered(outgoing.refused(limit, cursor)), **outgoing.status()}


@route("POST", "/outbox/<int:id>/retry", "operator", body=WHY, may_fail=(404,),
       answers=obj({"retried": COUNT}))  # fmt: skip
def retry_outbox(id: int, body: dict[str, Any]) -> dict[str, Any]:
    """Have the relay publish a refused event again; where it is refused again, it is listed again."""
    current_platform().outgoing.retry(id, current_actor(), body.get("reason", ""))
    return {"retried": id}


@route("POST", "/outbox/<int:id>/discard", "operator", body=WHY, may_fail=(404,),
       answers=obj({"discarded": COUNT}))  # fmt: skip
def discard_outbox(id: int, body: dict[str, Any]) -> dict[str, Any]:
    """Give a refused event up; the audit log keeps it."""
    current_platform().outgoing.discard(id, current_actor(), body.get("reason", ""))
    return {"discarded": id}
