"""/subscriptions: look, pause, resume, rewind, change."""

from __future__ import annotations

from typing import Any

from app.subscriptions.cases_told import MOST
from app.subscriptions.filter_trial import try_filter
from web.api.pages import sliced
from web.api.parameters import PAGE, Parameter
from web.api.routes import Body, route
from web.api.shapes import (
    ANY_OBJECT,
    CLOUD_EVENT,
    COUNT,
    FLAG,
    MAYBE_COUNT,
    MAYBE_NUMBER,
    MAYBE_TEXT,
    REASON,
    TEXT,
    closed,
    many,
    obj,
    page_of,
)
from web.auth import current_actor, nothing_done, unaudited
from web.platform import current_platform
from web.rendering import cloud_event

SUBSCRIPTION = obj({
    "name": TEXT, "types": many(TEXT), "topics": many(TEXT), "lane": TEXT, "emits": many(TEXT),
    "priority": TEXT, "concurrency": MAYBE_COUNT, "rate": MAYBE_NUMBER,
    "ordered": FLAG, "batch": COUNT, "timeout": MAYBE_NUMBER, "retry": ANY_OBJECT, "filter": {},
    "state": {"enum": ["healthy", "late", "failing", "paused"]},
    "paused": {"type": ["object", "null"]}, "backlog": MAYBE_COUNT, "open": COUNT,
    "retrying": COUNT, "parked": COUNT, "oldest": MAYBE_NUMBER, "changed": ANY_OBJECT,
    "active": FLAG, "served": FLAG, "webhook": {"type": ["object", "null"]},
})  # fmt: skip
TRIAL = obj({
    "looked": COUNT, "passed_now": COUNT, "would_pass": COUNT, "gain": COUNT, "lose": COUNT,
    "failed": COUNT, "gained": many(CLOUD_EVENT), "lost": many(CLOUD_EVENT), "problem": MAYBE_TEXT,
})  # fmt: skip
DELETION = obj({"name": TEXT, "types": many(TEXT), "backlog": MAYBE_COUNT, "open": COUNT,
                "retrying": COUNT, "parked": COUNT, "cases": COUNT, "webhook": FLAG})  # fmt: skip
CASE = obj({
    "key": TEXT, "state": TEXT, "over": FLAG, "since": TEXT, "updated": TEXT, "deadline": MAYBE_TEXT,
    "arrived": ANY_OBJECT, "fields": {"type": ["object", "null"]},
})  # fmt: skip
ENDING = closed({"keys": {**many(TEXT), "minItems": 1, "maxItems": MOST}}, **REASON["properties"])
ONE: dict[str, Any] = {"answers": SUBSCRIPTION, "may_fail": (404, 409)}


@route("GET", "/subscriptions", "viewer", answers=page_of(SUBSCRIPTION), query=PAGE)
def list_subscriptions(limit: int, cursor: str | None) -> dict[str, Any]:
    """Every subscription and how it is doing."""
    return sliced(current_platform().subscriptions.list(), limit, cursor)


@route("GET", "/subscriptions/<path:name>", "viewer", answers=SUBSCRIPTION, may_fail=(404,))
def get_subscription(name: str) -> Any:
    """One subscription."""
    return current_platform().subscriptions.get(name)


@route("POST", "/subscriptions/<path:name>/pause", "operator",
       body=Body(REASON, optional=True), **ONE)  # fmt: skip
def pause_subscription(name: str, body: dict[str, Any]) -> Any:
    """Stop delivering to it; what is open is finished, the rest waits."""
    control = current_platform().subscriptions
    control.pause(name, current_actor(), body.get("reason", ""))
    return control.get(name)


@route("POST", "/subscriptions/<path:name>/resume", "operator",
       body=Body(closed({}), optional=True), **ONE)  # fmt: skip
def resume_subscription(name: str, body: dict[str, Any]) -> Any:
    """Deliver again, from where it stopped."""
    control = current_platform().subscriptions
    control.resume(name, current_actor())
    return control.get(name)


@route("POST", "/subscriptions/<path:name>/rewind", "operator",
       body=Body(closed({"to": {"type": ["string", "number"]}})), **ONE)  # fmt: skip
def rewind_subscription(name: str, body: dict[str, Any]) -> Any:
    """Move its position: `to` is `earliest`, `now`, a time or an event's id."""
    control = current_platform().subscriptions
    control.rewind(name, str(body["to"]), current_actor())
    return control.get(name)


@route("POST", "/subscriptions/<path:name>/skip", "operator",
       body=Body(closed({}), optional=True), **ONE)  # fmt: skip
def skip_backlog(name: str, body: dict[str, Any]) -> Any:
    """Leave out what waits and go on with what comes from now on: a rewind to `now`."""
    control = current_platform().subscriptions
    control.skip(name, current_actor())
    return control.get(name)


@route("DELETE", "/subscriptions/<path:name>", "operator", answers=DELETION, may_fail=(404, 409),
       query=(Parameter("dry_run", "Only say what would be lost.", "flag", default=False),))  # fmt: skip
def delete_subscription(name: str, dry_run: bool) -> Any:
    """Delete a webhook, or a subscription that no code declares any more: what waits for it is lost.

    Events stay in their topics and in the archive, its dead letters stay too.
    """
    control = current_platform().subscriptions
    if dry_run:
        nothing_done()
        return control.deletion(name)
    return control.delete(name, current_actor())


@route("GET", "/subscriptions/<path:name>/cases", "operator", answers=page_of(CASE), may_fail=(404,),
       query=(*PAGE, Parameter("state", "Only these, such as waiting, expired or one of yours.")))  # fmt: skip
def list_cases(name: str, limit: int, cursor: str | None, state: str | None) -> Any:
    """The keys of a join (`@on_all`) or a process: what has come of each, and until when it waits."""
    platform = current_platform()
    platform.subscriptions.get(name)
    return platform.cases.of(name, state, limit, cursor)


@route("POST", "/subscriptions/<path:name>/cases/end", "operator", answers=obj({"ended": COUNT}),
       body=Body(ENDING), may_fail=(404, 409))  # fmt: skip
def end_cases(name: str, body: dict[str, Any]) -> dict[str, int]:
    """End open cases that are stuck, by their keys, all or none: none of their code runs.

    What comes for such a key later changes nothing; one that has not begun is forgotten, and may begin.
    """
    platform = current_platform()
    platform.subscriptions.get(name)
    ended = platform.cases.end(name, body["keys"], current_actor(), body.get("reason", ""))
    return {"ended": ended}


@unaudited("a trial: nothing is changed")
@route("POST", "/subscriptions/<path:name>/try-filter", "operator", answers=TRIAL, may_fail=(404,),
       body=Body(closed({"filter": {"type": ["object", "array", "null"]}})))  # fmt: skip
def try_subscription_filter(name: str, body: dict[str, Any]) -> Any:
    """Try a filter on the last thousand events of its types; nothing is changed."""
    found = try_filter(current_platform(), name, body["filter"])
    shown = {key: [cloud_event(event) for event in found[key]] for key in ("gained", "lost")}
    return {**found, **shown}


@route("PATCH", "/subscriptions/<path:name>", "operator",
       body=Body({"type": "object", "minProperties": 1}), **ONE)  # fmt: skip
def change_subscription(name: str, body: dict[str, Any]) -> Any:
    """Change `retry`, `filter`, `timeout`, `concurrency`, `rate`, `lane` or `priority`; deploys keep it.

    `served` is false in the answer where no live worker serves its lane: its events wait for one.
    """
    control = current_platform().subscriptions
    control.update(name, body, current_actor())
    return control.get(name)
