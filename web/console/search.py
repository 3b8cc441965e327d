"""Find anything: what was found for the words in the header's field, as links."""

from __future__ import annotations

from flask import render_template
from flask.typing import ResponseReturnValue

from app.finding import Findings
from web.auth import requires
from web.console.pages import blueprint, chosen
from web.places import href, search, word
from web.platform import current_platform


@blueprint.get("/search")
@requires("viewer")
def find_anything() -> ResponseReturnValue:
    q = chosen("q")
    found = search(current_platform(), q) if q else Findings()
    rows = [(one, word(one.kind), href(one)) for one in found.items]
    return render_template("search.html", q=q, rows=rows, unasked=found.unasked)
