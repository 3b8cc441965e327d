"""/audit: who changed what, when, from what to what; as a list and as a file."""

from __future__ import annotations

from typing import Any

from flask import Response

from app.store.audit_export import FORMATS
from web.api.pages import rendered
from web.api.parameters import PAGE, SINCE, UNTIL, Parameter
from web.api.routes import route
from web.api.shapes import ANY_OBJECT, COUNT, MAYBE_TEXT, TEXT, TIME, obj, page_of
from web.downloads import audit_file
from web.platform import current_platform

ENTRY = obj({"id": COUNT, "at": TIME, "actor": TEXT, "action": TEXT, "target": TEXT,
             "before": {}, "after": {}, "details": ANY_OBJECT,
             "interface": MAYBE_TEXT, "address": MAYBE_TEXT, "cause": MAYBE_TEXT})  # fmt: skip
FILTERS = (
    Parameter("actor", "Who: `user:NAME`, `token:NAME` or `cli:NAME`."),
    Parameter("action", "What was done, such as `subscription.paused`."),
    Parameter("target", "To what, such as `subscription:NAME`."),
    Parameter("cause", "In which request (`X-Request-Id`), or by which event."), SINCE, UNTIL,
)  # fmt: skip
FORMAT = Parameter("format", "`jsonl`, or `csv` with cells that begin like a formula quoted.",
                   "text", FORMATS, "jsonl")  # fmt: skip


@route("GET", "/audit", "administrator", answers=page_of(ENTRY), query=(*FILTERS, *PAGE))
def find_audit(**filters: Any) -> dict[str, Any]:
    """What people and tokens changed; newest first."""
    return rendered(current_platform().audit.find(**filters))


@route("GET", "/audit/export", "administrator", answers=TEXT,
       media=("application/x-ndjson", "text/csv"), query=(*FILTERS, FORMAT))  # fmt: skip
def export_audit(format: str, **filters: Any) -> Response:
    """The same as a file, whole."""
    return audit_file(format, filters)
