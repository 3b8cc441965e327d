"""An operator's own change on the page after it: waited for, or said to be missing yet.

Some pages read rows that workers write from the events (runs, events). After a form was sent, the
redirect carries the position of what it published or appended (`?after=`). The page that follows
waits for it a moment; where that isn't enough it says so, and never shows the change as undone. The
session keeps the position, too, until it is reached: so a second tab, a filter, the next page of a
list and a page gone back to say so as well, without waiting.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from flask import Response, g, render_template, request, session
from redis.exceptions import RedisError

from app.cqrs.reaching import distance
from app.errors import NotFound, PenstockError, Refused
from app.events.position import Position
from web import waiting
from web.api.positions import written
from web.auth import current_identity
from web.auth.bearer import has_bearer
from web.platform import current_platform

AFTER = "after"
OWN = "wrote"
"""Where the session keeps it."""
LONGEST = 500
MADE_OF_EVENTS = ("", "events", "flow", "runs", "search", "topics")
PATIENCE = 1.5


def carried(path: str) -> str:
    """The page to go to, with where this request's writes ended."""
    token = written()
    if token is None:
        return path
    parts = urlsplit(path)
    pairs = [(name, value) for name, value in parse_qsl(parts.query) if name != AFTER]
    return parts._replace(query=urlencode([*pairs, (AFTER, token)], safe=":=,")).geturl()


def remember(response: Response) -> Response:
    """After a form, whatever page it leads to."""
    token = written() if request.method == "POST" and not has_bearer() else None
    if token:
        session[OWN] = together(session.get(OWN), token)
    return response


def together(earlier: str | None, token: str) -> str:
    """Both; only what was written last where that gets long, since it is kept in a cookie."""
    if not earlier:
        return token
    one, other = Position.read(earlier), Position.read(token)
    stored = [at for at in (one.stored, other.stored) if at is not None]
    both = str(Position(max(stored, default=None), {**one.places, **other.places}))
    return both if len(both) <= LONGEST else token


def wait_for_own() -> None:
    """Before a page: wait for what its address says was written. A refresh of parts waits for nothing."""
    if request.method != "GET" or "X-Fragment" in request.headers or current_identity() is None:
        return
    own = session.get(OWN) if shows_events(request.path) else None
    token = request.args.get(AFTER) or own
    if not token:
        return
    try:
        with waiting.at_most(PATIENCE if AFTER in request.args else 0.0) as seconds:
            told = current_platform().projections.wait_for("runs", token, seconds)
    except (Refused, NotFound):
        return  # no token of ours
    except (RedisError, PenstockError) as error:
        g.late = f"Whether your change is shown here already can't be told now: {error}"
        return
    if not told["reached"]:
        g.late = not_yet(told)
    elif token == session.get(OWN):
        del session[OWN]


def shows_events(path: str) -> bool:
    """Whether the page is made of runs and events."""
    return path.split("/")[1] in MADE_OF_EVENTS


def not_yet(told: dict[str, Any]) -> str:
    state = "paused" if told["state"] == "paused" else "at work"
    return (
        "Your change is taken. What is shown of runs and events doesn't include it yet: the archive is "
        f"{state}{distance(told['behind'])}. Load this page again in a moment."
    )


def late() -> str | None:
    """What a page that can't show a change yet says; None where it shows all."""
    return g.get("late")


def not_yet_page(sentence: str) -> Response:
    """In the place of a page that is not there yet; it looks again by itself."""
    page = render_template("not-yet.html", sentence=sentence)
    response = Response(page, 202, content_type="text/html; charset=utf-8")
    response.headers["Refresh"] = "3"
    return response
