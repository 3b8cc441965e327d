"""What all pages share: the blueprint, its navigation, filters of the templates, and forms.

Times on a page are taken from one clock reading per request, so that two
figures on it never disagree about now.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, flash, g, get_flashed_messages, redirect, request
from flask.sansio.blueprints import BlueprintSetupState
from flask.typing import ResponseReturnValue
from flask_login import current_user
from werkzeug.datastructures import MultiDict
from werkzeug.urls import iri_to_uri

from app.errors import PenstockError
from web.addresses import address_of, path_of
from web.auth import current_identity, nothing_done
from web.console import highlight, icons, own_writes, words
from web.console.recent import forget, recent
from web.drawing.graph import STATE_ICONS
from web.drawing.svg import clip
from web.places import NAVIGATION, current, of_target, shortcuts
from web.platform import current_platform

blueprint = Blueprint("console", __name__)

SINCE = (
    ("15m", "15 minutes"),
    ("1h", "1 hour"),
    ("6h", "6 hours"),
    ("1d", "1 day"),
    ("7d", "7 days"),
    ("all", "Any time"),
)
_SECONDS = {"15m": 900, "1h": 3600, "6h": 21_600, "1d": 86_400, "7d": 604_800}
MORE_ICONS = {
    "acknowledged": "eye",
    "active": "circle-check",
    "approved": "circle-check",
    "canary": "play",
    "champion": "trophy",
    "discarded": "trash",
    "done": "circle-check",
    "expired": "clock",
    "idle": "circle",
    "ignored": "ban",
    "open": "octagon-x",
    "preparing": "list",
    "registered": "box",
    "refused": "ban",
    "rejected": "octagon-x",
    "replayed": "circle-check",
    "replaying": "rotate-cw",
    "resolved": "circle-check",
    "retired": "archive",
    "revoked": "ban",
    "uploaded": "upload",
    "validated": "circle-check",
}


def now() -> datetime:
    """The moment of this request."""
    if "now" not in g:
        g.now = datetime.now(UTC)
    return g.now


def since(choice: str) -> datetime | None:
    """The start of the window that a filter names, or None for any time."""
    seconds = _SECONDS.get(choice)
    return now() - timedelta(seconds=seconds) if seconds else None


def chosen(name: str, default: str = "") -> str:
    """A filter from the address, without spaces around it."""
    return request.args.get(name, default).strip()


def text_filter(name: str) -> str | None:
    return chosen(name) or None


def field(name: str, default: str = "") -> str:
    """A field of the form that was sent."""
    return request.form.get(name, default).strip()


def say(message: str, category: str = "done") -> None:
    flash(message, category)
    if category == "error":
        nothing_done()


def go(path: str) -> ResponseReturnValue:
    """After a form was sent: see that page, as it is now and with what was done."""
    forget()
    return redirect(iri_to_uri(own_writes.carried(path)), code=303)


def back(default: str) -> str:
    """The page that a form says it was on, where that is a path of this site."""
    path = request.form.get("back", "")
    local = path.startswith("/") and path[1:2] not in ("/", "\\") and path.isprintable()
    return path if local else default


def act(message: str, do: Any, *arguments: Any, **named: Any) -> bool:
    """Do what a form asks; say that it is done, or why it was not."""
    try:
        do(*arguments, **named)
    except PenstockError as error:
        say(str(error), "error")
        return False
    say(message)
    return True


def url_with(**changes: str | None) -> str:
    """This page's address with some of its filters changed; None takes one out."""
    values: MultiDict[str, str] = MultiDict(request.args)
    values.pop(own_writes.AFTER, None)
    for key, value in changes.items():
        if value is None:
            values.pop(key, None)
        else:
            values[key] = value
    return f"{path_of(request)}{query(values)}"


def query(values: Mapping[str, Any]) -> str:
    """`?a=b&c=d` of what is not empty."""
    pairs = [(k, str(v)) for k, v in values.items() if v not in (None, "")]
    return f"?{urlencode(pairs)}" if pairs else ""


def state_icon(state: str) -> str:
    return STATE_ICONS.get(state) or MORE_ICONS.get(state) or "circle"


class Me:
    """Who looks at the page, for the templates."""

    def __init__(self, name: str, role: str, identity: Any):
        self.name, self.role, self._identity = name, role, identity

    def may(self, level: str) -> bool:
        return bool(self._identity.may(level))


def me() -> Me | None:
    identity = current_identity()
    if identity is None:
        return None
    if current_user.is_authenticated:
        return Me(current_user.name, current_user.role, identity)
    return Me(words.person(identity.actor), "token", identity)


def navigation() -> list[dict[str, Any]]:
    """The pages, which one this is, and how much waits on Failures and Replays."""
    groups, replays, alerts = recent("navigation", _waiting)
    counts = {"/failures": groups, "/replays": replays, "/alerts": alerts}
    what = {
        "/failures": "groups of failures",
        "/replays": "replays at work",
        "/alerts": "alerts that nobody looks after",
    }
    return [
        {
            "href": path,
            "title": title,
            "key": key,
            "current": current(path, request.path),
            "count": counts.get(path),
            "what": what.get(path, ""),
            "alarm": path in ("/failures", "/alerts"),
        }
        for path, title, key in NAVIGATION
    ]


def _waiting() -> tuple[int, int, int]:
    platform = current_platform()
    try:
        groups = platform.failures.waiting()
        replays = platform.replays.unfinished()
        alerts = len(platform.alerts.up())
    except PenstockError:
        return 0, 0, 0  # the page itself says what is wrong; its navigation stays usable
    return groups, replays, alerts


@blueprint.app_context_processor
def shared() -> dict[str, Any]:
    """What base.html and ui.html need on every page, that of errors and of signing in too."""
    theme = request.cookies.get("theme", "auto")
    theme = theme if theme in ("auto", "light", "dark") else "auto"
    viewer = me()
    refreshing = "X-Fragment" in request.headers
    return {
        "me": viewer,
        "refreshing": refreshing,
        "navigation": navigation() if viewer else [],
        "theme": theme,
        "next_theme": {"auto": "light", "light": "dark", "dark": "auto"}[theme],
        "here": address_of(request),
        # A refresh of fragments throws away what it does not need: flashes wait for a page.
        "flashes": [] if refreshing else flashes(),
        "late": own_writes.late(),
        "since_choices": SINCE,
        "shortcuts": shortcuts(),
    }


def flashes() -> list[tuple[str, str]]:
    late = own_writes.late()
    said = [*get_flashed_messages(with_categories=True)]
    return [*said, ("warn", late)] if late else said


def _ago(value: words.Moment) -> str:
    return words.ago(value, now())


def _clock(value: words.Moment) -> str:
    at = words.moment(value)
    return at.strftime("%d %b %H:%M:%S UTC") if at else words.UNKNOWN


def _hour(value: words.Moment) -> str:
    at = words.moment(value)
    return at.strftime("%H:%M") if at else words.UNKNOWN


FILTERS: dict[str, Any] = {
    "ago": _ago,
    "breakable": words.breakable,
    "clip": clip,
    "clock": _clock,
    "dotted": words.dotted,
    "ticked": words.ticked,
    "error_parts": words.error_parts,
    "exact": words.exact,
    "hour": _hour,
    "iso": words.iso,
    "json": highlight.coloured_json,
    "listed": words.listed,
    "metric": words.metric,
    "percent": words.percent,
    "person": words.person,
    "plain_json": highlight.one_line,
    "rate": words.rate_text,
    "seg": words.segment,
    "size": words.size,
    "span": words.span,
    "thousands": words.count,
    "traceback": highlight.coloured_traceback,
}
GLOBALS: dict[str, Any] = {
    "icon": icons.icon,
    "plural": words.plural,
    "query": query,
    "seconds_between": words.seconds_between,
    "sprite": icons.sprite,
    "state_icon": state_icon,
    "ended_as": words.ended_as,
    "url_with": url_with,
    "of_target": of_target,
    "current": current,
}


blueprint.before_request(own_writes.wait_for_own)
blueprint.after_request(own_writes.remember)


@blueprint.record_once
def spell_out_turning_marks(state: BlueprintSetupState) -> None:
    """In everything that any template writes."""
    state.app.jinja_env.finalize = words.steady


for _name, _filter in FILTERS.items():
    blueprint.add_app_template_filter(_filter, _name)
for _name, _function in GLOBALS.items():
    blueprint.add_app_template_global(_function, _name)
