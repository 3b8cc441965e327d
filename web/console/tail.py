"""Events as they come: the newest on the page, and by its script those that follow.

Without scripts it is a page to load again. What the script asks is the API's stream.
"""

from __future__ import annotations

from itertools import islice

from flask import render_template
from flask.typing import ResponseReturnValue

from app.errors import Refused
from app.events.event import Event
from web.auth import requires
from web.console.pages import blueprint, chosen, query, text_filter
from web.platform import current_platform
from web.tailing import Wanted

SHOWN = 50
LOOKED_AT = 1000
A_SECOND = 50
"""Events that a page is sent in a second at most: nobody reads more."""


@blueprint.get("/tail")
@requires("viewer")
def tail() -> ResponseReturnValue:
    names = {
        "type": "type",
        "subject": "subject",
        "key": "partitionkey",
        "expression": "expression",
    }
    filters = {asked: chosen(name) for name, asked in names.items() if chosen(name)}
    problem = ""
    events: list[Event] = []
    moment = 0
    try:
        wanted = Wanted(text_filter("subject"), text_filter("key"), text_filter("expression"))
        types = [name for name in chosen("type").replace(",", " ").split() if name] or None
        looked, moment = current_platform().topics.newest(types, LOOKED_AT)
        events = list(islice(filter(wanted, looked), SHOWN))
        if not events and wanted.failed:
            problem = wanted.problem or ""
    except Refused as refused:  # the expression: what was written stays, to be mended
        problem = str(refused)
    stream = {**filters, "most": A_SECOND, "since": max(0, moment - 1)}
    return render_template(
        "tail.html",
        events=[event.to_dict() for event in events],
        problem=problem,
        stream=None if problem and not moment else f"/api/v1/events/stream{query(stream)}",
        most=A_SECOND,
        filtered=bool(filters),
    )
