"""Replays: the confirmation in words, the list, and one with its progress and its gate."""

from __future__ import annotations

from typing import Any

from flask import render_template, request
from flask.typing import ResponseReturnValue

from app.errors import InvalidEvents, NotFound, Refused
from web.auth import current_actor, requires
from web.console.compared import compare
from web.console.pages import act, back, blueprint, go, query, say, text_filter
from web.console.selection import CANARY, choose_again, read_options, read_selection
from web.platform import current_platform

OPTIONS = ("canary", "rate", "stop", "subscription_to", "reason", "edits", "patch")


@blueprint.get("/replays")
@requires("viewer")
def replays() -> ResponseReturnValue:
    page = current_platform().replays.find(limit=50, cursor=text_filter("cursor"))
    return render_template("replays.html", page=page)


@blueprint.get("/replays/new")
@requires("operator")
def confirm_replay() -> ResponseReturnValue:
    """What would be sent, where, how fast, and what to think of; nothing is sent yet."""
    platform = current_platform()
    try:
        choice, options = read_selection(request.args), read_options(request.args)
        preview = platform.replays.preview(choice.selection, options)
    except (Refused, InvalidEvents) as refused:
        if request.args.get("scope") == "events":
            say(str(refused), "error")
            return go(f"/replays/past{query(request.args.to_dict())}")
        return choose_again(str(refused))
    known = {s["name"]: s for s in platform.subscriptions.list()}
    targets = [known[name] for name in preview["subscriptions"] if name in known]
    rate = options.get("rate")
    return render_template(
        "replay-confirm.html",
        choice=choice,
        options=options,
        fields=[*choice.fields, *((k, request.args[k]) for k in OPTIONS if request.args.get(k))],
        preview=preview,
        edits=[
            (edit["dead_letter"], compare(edit["before"].get("data"), edit["after"].get("data")))
            for edit in preview["edits"]
        ],
        unsafe=[name for name, effects in preview["effects"].items() if effects == "unsafe"],
        undeclared=[name for name, effects in preview["effects"].items() if effects is None],
        seconds=preview["total"] / rate if rate else None,
        paused=[s["name"] for s in targets if s["state"] == "paused"],
        failing=[s["name"] for s in targets if s["state"] == "failing"],
        missing=[
            name
            for name in preview["subscriptions"]
            if name not in known or not known[name]["active"]
        ],
    )


@blueprint.post("/replays")
@requires("operator")
def start_replay() -> ResponseReturnValue:
    choice, options = read_selection(request.form), read_options(request.form)
    id = current_platform().replays.start(choice.selection, options, current_actor())
    say("The replay has started.")
    return go(f"/replays/{id}")


@blueprint.get("/replays/past")
@requires("operator")
def past_replay() -> ResponseReturnValue:
    """Which archived events, and to whom; the preview comes next."""
    names = sorted(s["name"] for s in current_platform().subscriptions.list() if s["active"])
    return render_template("replay-past.html", names=names, canary=CANARY)


@blueprint.get("/replays/<id>")
@requires("viewer")
def replay(id: str) -> ResponseReturnValue:
    platform = current_platform()
    found = fetch(id)
    items = platform.replays.items(
        id, state=text_filter("state"), limit=50, cursor=text_filter("cursor")
    )
    return render_template("replay.html", replay=found, page=items)


def fetch(id: str) -> dict[str, Any]:
    found = current_platform().replays.get(id)
    if found is None:
        raise NotFound(f"There is no replay {id!r}: the page Replays lists them.")
    return dict(found)


@blueprint.post("/replays/<id>/<any(pause, resume, cancel, approve):what>")
@requires("operator")
def steer_replay(id: str, what: str) -> ResponseReturnValue:
    done = {
        "pause": "The replay is paused: nothing more is sent until it is resumed.",
        "resume": "The replay goes on.",
        "approve": "Approved: the replay begins.",
        "cancel": "The replay is cancelled. What was not sent stays parked.",
    }
    act(done[what], getattr(current_platform().replays, what), id, current_actor())
    return go(back(f"/replays/{id}"))
