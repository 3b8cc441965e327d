"""The audit: who did what, to what, when and why. It is only ever added to."""

from __future__ import annotations

from flask import render_template
from flask.typing import ResponseReturnValue

from web.auth import requires
from web.console.pages import blueprint, text_filter
from web.platform import current_platform


@blueprint.get("/audit")
@requires("administrator")
def audit() -> ResponseReturnValue:
    page = current_platform().audit.find(
        actor=text_filter("actor"),
        action=text_filter("action"),
        target=text_filter("target"),
        limit=50,
        cursor=text_filter("cursor"),
    )
    return render_template("audit.html", page=page)
