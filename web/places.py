"""Where things are in the console: its pages by name, and the address of whatever was found.

The navigation, the search and the palette are made from the same table, so that a page
which is added here is found, and is shown to those only who may open it.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlencode

from app.finding import Findings, Found, best, find, fit
from web.auth import current_identity

# A page's path, its name, and the key that leads to it after `g`.
NAVIGATION = (
    ("/", "Overview", "o"),
    ("/flow", "Flow", "l"),
    ("/runs", "Runs", "r"),
    ("/alerts", "Alerts", "a"),
    ("/failures", "Failures", "f"),
    ("/replays", "Replays", "p"),
    ("/events", "Events", "e"),
    ("/topics", "Topics", "t"),
    ("/subscriptions", "Subscriptions", "s"),
    ("/datasets", "Datasets", "d"),
    ("/models", "Models", "m"),
    ("/aggregates", "Aggregates", "g"),
    ("/commands", "Commands", "c"),
    ("/projections", "Projections", "j"),
    ("/workers", "Workers", "w"),
)
BELONGS = {"/outbox": "/projections", "/publish": "/events", "/tail": "/events",
           "/webhooks": "/subscriptions"}  # fmt: skip
"""To which page of the navigation one belongs whose path doesn't say so."""
# What is not in the navigation: kind, path, name, and who may open it.
MORE = (
    ("page", "/tail", "Live events", "viewer"),
    ("page", "/outbox", "Outbox", "viewer"),
    ("page", "/sessions", "Sessions", "viewer"),
    ("page", "/people", "People", "administrator"),
    ("page", "/tokens", "Tokens", "administrator"),
    ("page", "/audit", "Audit log", "administrator"),
    ("page", "/alerts/rules", "Alert rules", "operator"),
    ("action", "/publish", "Publish an event", "operator"),
    ("action", "/webhooks/new", "New webhook", "administrator"),
    ("action", "/replays/past", "Replay past events", "operator"),
    ("action", "/datasets#upload", "Upload a dataset", "operator"),
    ("action", "/failures?life=resolved", "See resolved failures", "viewer"),
    ("action", "/runs?state=stuck", "See stuck runs", "viewer"),
)
_PATHS = {
    "run": "/runs", "event": "/events", "dead-letter": "/failures", "replay": "/replays",
    "subscription": "/subscriptions", "topic": "/topics", "dataset": "/datasets",
    "model": "/models", "projection": "/projections", "worker": "/workers",
    "aggregate": "/aggregates",
}  # fmt: skip
_FILTERS = {"group": "/failures?group", "type": "/events?type", "subject": "/events?subject",
            "key": "/events?key"}  # fmt: skip
WORDS = {"dead-letter": "dead letter", "group": "group of failures"}


def may(level: str) -> bool:
    """Whether who asks may do what takes this role."""
    identity = current_identity()
    return identity is not None and identity.may(level)


def search(platform: Any, q: str, each: int = 5) -> Findings:
    """Everything that fits, pages and actions that who asks may open included."""
    found = find(platform, q, each)
    places = [
        Found(kind, path, title, "", None, how)
        for kind, path, title, level in _places()
        if may(level) and (how := fit(title, q.strip())) is not None
    ]
    found.items = sorted([*best(places, each), *found.items], key=lambda one: one.fit)
    return found


def _places() -> list[tuple[str, str, str, str]]:
    return [*(("page", path, title, "viewer") for path, title, _ in NAVIGATION), *MORE]


def current(place: str, here: str) -> str | None:
    """The `aria-current` of a link to `place` on the page `here`: that page, or one to which it belongs."""
    if place == here:
        return "page"
    top = f"/{here.split('/')[1]}"
    return "true" if place == BELONGS.get(top, top) else None


def href(found: Found) -> str:
    """The page of something that was found."""
    return found.id if found.kind in ("page", "action") else _address(found.kind, found.id)


def _address(kind: str, id: str) -> str:
    if kind in _FILTERS:
        path, _, name = _FILTERS[kind].partition("?")
        return f"{path}?{urlencode({name: id})}"
    return f"{_PATHS[kind]}/{quote(id, safe='')}"


def of_target(action: str, target: str) -> str | None:
    """The page of what an audit line is about: `projection:sales`, or `digits` of `dataset.uploaded`.

    None where it has no page of its own.
    """
    kind, colon, id = target.partition(":")
    if not colon:
        kind, id = action.partition(".")[0], target
    return _address(kind, id) if id and (kind in _PATHS or kind in _FILTERS) else None


def word(kind: str) -> str:
    return WORDS.get(kind, kind)


def shortcuts() -> list[tuple[str, str]]:
    """Single keys and what they do, for the help."""
    return [
        ("/", "Find anything"),
        ("?", "This help"),
        *((f"g {key}", title) for _, title, key in NAVIGATION),
    ]
