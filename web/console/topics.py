"""Topics: the logs that events belong to, and one of them with its latest events."""

from __future__ import annotations

from flask import render_template
from flask.typing import ResponseReturnValue

from app.errors import NotFound
from web.auth import requires
from web.console.charted import charts_of
from web.console.pages import blueprint, text_filter
from web.platform import current_platform


@blueprint.get("/topics")
@requires("viewer")
def topics() -> ResponseReturnValue:
    return render_template("topics.html", topics=current_platform().topics.list())


@blueprint.get("/topics/<name>")
@requires("viewer")
def topic(name: str) -> ResponseReturnValue:
    platform = current_platform()
    found = next((t for t in platform.topics.list() if t["name"] == name), None)
    if found is None:
        raise NotFound(f"There is no topic {name!r}: the page Topics lists them.")
    return render_template(
        "topic.html",
        topic=found,
        charted=charts_of(topic=name),
        page=platform.archive.find(topic=name, limit=50, cursor=text_filter("cursor")),
        subscriptions=[
            s for s in platform.subscriptions.list() if name in s["topics"] and s["active"]
        ],
        schemas=[s for s in platform.schemas.all() if s["topic"] == name],
    )
