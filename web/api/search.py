"""/search: anything by its id, the beginning of one, or a part of a name."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from app.finding import KINDS
from web.api.parameters import Q
from web.api.routes import route
from web.api.shapes import MAYBE_TIME, TEXT, many, obj
from web.places import href, search
from web.platform import current_platform

FOUND = obj({"kind": {"enum": [*KINDS]}, "id": TEXT, "title": TEXT, "about": TEXT, "at": MAYBE_TIME,
             "href": TEXT})  # fmt: skip


@route("GET", "/search", "viewer", answers=obj({"items": many(FOUND), "unasked": many(TEXT)}),
       query=(Q,), may_fail=(422,), follows="runs")  # fmt: skip
def find_anything(q: str | None) -> dict[str, Any]:
    """Find anything: ids and their beginnings, subjects, keys, names; the best first.

    `href` is its page in the console; `unasked` says what could not be asked now, and why.
    """
    found = search(current_platform(), q or "")
    items = [{**asdict(one), "href": href(one)} for one in found.items]
    for item in items:
        del item["fit"]
    return {"items": items, "unasked": found.unasked}
