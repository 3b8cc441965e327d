"""/workers and /projections: who is at work, and how far the read models are."""

from __future__ import annotations

from typing import Any

from web.api.pages import sliced
from web.api.parameters import PAGE
from web.api.routes import route
from web.api.shapes import COUNT, MAYBE_COUNT, MAYBE_NUMBER, TEXT, many, obj, page_of
from web.platform import current_platform

WORKER = obj({"id": TEXT, "host": TEXT, "pid": COUNT, "lanes": many(TEXT), "pool": TEXT,
              "concurrency": COUNT, "started": {}, "beat": {},
              "slots": many({"type": "object"})})  # fmt: skip
PROJECTION = obj({"name": TEXT, "state": TEXT, "backlog": MAYBE_COUNT, "open": COUNT,
                  "lag": MAYBE_NUMBER})  # fmt: skip

PROJECTION_LANE = "system"


@route("GET", "/workers", "viewer", answers=page_of(WORKER), query=PAGE)
def list_workers(limit: int, cursor: str | None) -> dict[str, Any]:
    """The worker processes that are alive, their lanes and what each does now."""
    return sliced(current_platform().workers.list(), limit, cursor)


@route("GET", "/projections", "viewer", answers=page_of(PROJECTION), query=PAGE)
def list_projections(limit: int, cursor: str | None) -> dict[str, Any]:
    """The archive and the console's read models, and how far behind each is in seconds."""
    rows = [
        {
            "name": row["name"],
            "state": row["state"],
            "backlog": row["backlog"],
            "open": row["open"],
            "lag": row["oldest"],
        }
        for row in current_platform().subscriptions.list()
        if row["lane"] == PROJECTION_LANE
    ]
    return sliced(rows, limit, cursor)
