"""/workers: who is at work."""

from __future__ import annotations

from typing import Any

from web.api.pages import sliced
from web.api.parameters import PAGE
from web.api.routes import Body, route
from web.api.shapes import (
    ANY_OBJECT,
    COUNT,
    FLAG,
    MAYBE_COUNT,
    MAYBE_TEXT,
    REASON,
    TEXT,
    TIME,
    many,
    obj,
    page_of,
)
from web.auth import current_actor
from web.platform import current_platform
from web.rendering import instant

WORKER = obj({"id": TEXT, "host": TEXT, "pid": COUNT, "lanes": many(TEXT), "pool": TEXT,
              "concurrency": COUNT, "started": TIME, "beat": TIME,
              "slots": many(obj({}, subscription=TEXT, event=MAYBE_TEXT, since=TIME))},
             memory=MAYBE_COUNT, versions=ANY_OBJECT, stopping=FLAG, alive=FLAG)  # fmt: skip


@route("GET", "/workers", "viewer", answers=page_of(WORKER), query=PAGE)
def list_workers(limit: int, cursor: str | None) -> dict[str, Any]:
    """The worker processes that are alive, their lanes and what each does now."""
    workers = [_with_times(worker) for worker in current_platform().workers.list()]
    return sliced(workers, limit, cursor)


@route("GET", "/workers/<id>", "viewer", answers=WORKER, may_fail=(404,))
def get_worker(id: str) -> Any:
    """One worker; its memory is an upper bound in bytes."""
    return _with_times(current_platform().workers.get(id))


@route("POST", "/workers/<id>/stop", "operator", status=202, answers=WORKER, may_fail=(404, 409),
       body=Body(REASON, optional=True))  # fmt: skip
def stop_worker(id: str, body: dict[str, Any]) -> Any:
    """Have a worker finish what it has in hand, give back the rest, and end."""
    workers = current_platform().workers
    workers.stop(id, current_actor(), body.get("reason", ""))
    return _with_times(workers.get(id))


def _with_times(worker: dict[str, Any]) -> dict[str, Any]:
    """A beat has its times in seconds since 1970; here as everywhere in the API, RFC 3339."""
    return {
        **_times(worker, "started", "beat"),
        "slots": [_times(slot, "since") for slot in worker["slots"]],
    }


def _times(values: dict[str, Any], *names: str) -> dict[str, Any]:
    found = {name: values[name] for name in names if isinstance(values.get(name), (int, float))}
    return {**values, **{name: instant(seconds) for name, seconds in found.items()}}
