"""The audit: who did what, to what, when and why. It is only ever added to."""

from __future__ import annotations

from typing import Any

from flask import render_template
from flask.typing import ResponseReturnValue

from app.errors import Refused
from app.store.audit_export import FORMATS
from web.auth import requires
from web.console.compared import changes
from web.console.pages import blueprint, chosen, since, text_filter
from web.downloads import audit_file
from web.platform import current_platform

blueprint.add_app_template_filter(changes)


@blueprint.get("/audit")
@requires("administrator")
def audit() -> ResponseReturnValue:
    log = current_platform().audit
    page = log.find(**filters(), limit=50, cursor=text_filter("cursor"))
    together = log.together(row["cause"] for row in page.items)
    return render_template("audit.html", page=page, together=together, since=chosen("since", "all"))


@blueprint.get("/audit/export/<format>")
@requires("administrator")
def export_audit(format: str) -> ResponseReturnValue:
    """What the page's filters match, whole."""
    if format not in FORMATS:
        raise Refused(
            f"{format!r} is not offered: the audit is exported as {' or '.join(FORMATS)}."
        )
    return audit_file(format, filters())


def filters() -> dict[str, Any]:
    return {
        "actor": text_filter("actor"),
        "action": text_filter("action"),
        "target": text_filter("target"),
        "cause": text_filter("cause"),
        "since": since(chosen("since", "all")),
    }
