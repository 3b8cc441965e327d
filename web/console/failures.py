"""Failures: dead letters as groups and as a list, one of them, and what to do with them."""

from __future__ import annotations

import json
from typing import Any

from flask import render_template, request
from flask.typing import ResponseReturnValue

from app.errors import NotFound, Refused
from web.auth import current_actor, requires
from web.console import words
from web.console.highlight import as_json
from web.console.pages import back, blueprint, chosen, field, go, say, since, text_filter
from web.console.selection import CANARY, choose_again, read_selection
from web.console.traits import shared_traits
from web.drawing import sparkline
from web.platform import current_platform


@blueprint.get("/failures")
@requires("viewer")
def failures() -> ResponseReturnValue:
    platform = current_platform()
    window = chosen("since", "all")
    filters = {
        "subscription": text_filter("subscription"),
        "type": text_filter("type"),
        "q": text_filter("q"),
        "since": since(window),
    }
    groups = platform.dead_letters.groups(**filters)
    group = next((g for g in groups if g["id"] == chosen("group")), None)
    page = platform.dead_letters.find(
        **filters, group=group["id"] if group else None, limit=25, cursor=text_filter("cursor")
    )
    subscriptions = {s["name"]: s for s in platform.subscriptions.list()}
    ordered = sorted(groups, key=lambda g: words.iso(g["last"]), reverse=True)
    return render_template(
        "failures.html",
        groups=[(each, bars(each)) for each in ordered],
        group=group,
        traits=shared_traits(page.items) if group else [],
        example=page.items[0] if group and page.items else None,
        page=page,
        total=sum(g["count"] for g in groups),
        subscriptions=subscriptions,
        since=window,
        canary=CANARY,
        filtered=any(v for v in filters.values()),
    )


def bars(group: dict[str, Any]) -> Any:
    return sparkline.bars(group["bars"], f"{group['count']} over time", "fail")


@blueprint.get("/failures/<id>")
@requires("viewer")
def failure(id: str) -> ResponseReturnValue:
    platform = current_platform()
    letter = fetch(id)
    group = next((g for g in platform.dead_letters.groups() if g["id"] == letter["group"]), None)
    event = letter["event"]
    return render_template(
        "failure.html",
        letter=letter,
        event=event,
        correlationid=event.get("correlationid") or event["id"],
        group=group,
        bars=bars(group) if group else None,
        text=as_json(event.get("data")),
    )


def fetch(id: str) -> dict[str, Any]:
    found = current_platform().dead_letters.get(id)
    if found is None:
        raise NotFound(f"There is no dead letter {id!r}: the page Failures lists them.")
    return dict(found)


@blueprint.post("/failures/<id>/edit")
@requires("operator")
def replay_edited(id: str) -> ResponseReturnValue:
    """Send one dead letter again with its data changed; the archive keeps what was sent first."""
    fetch(id)
    try:
        data = json.loads(request.form.get("data", ""))
    except ValueError as error:
        raise Refused(f"That is not JSON: {error}. Nothing was sent.") from None
    edits = {id: [{"op": "add", "path": "/data", "value": data}]}
    options = {"edits": edits, "reason": field("reason") or "sent again with edited data"}
    replay = current_platform().replays.start({"dead_letters": [id]}, options, current_actor())
    say("It is being sent again with the data as you edited it.")
    return go(f"/replays/{replay}")


@blueprint.get("/failures/discard")
@requires("operator")
def confirm_discard() -> ResponseReturnValue:
    try:
        choice = read_selection(request.args)
    except Refused as refused:
        return choose_again(str(refused))
    preview = current_platform().replays.preview(choice.selection, {})
    return render_template("discard.html", choice=choice, preview=preview)


@blueprint.post("/failures/discard")
@requires("operator")
def discard() -> ResponseReturnValue:
    choice = read_selection(request.form)
    if not field("reason"):
        raise Refused("Nothing was discarded: say why, for those who look for these events later.")
    number = current_platform().replays.discard(choice.selection, current_actor(), field("reason"))
    say(f"{words.plural(number, 'dead letter')} discarded. They stay in the archive and the audit.")
    return go(back("/failures"))
