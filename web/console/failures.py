"""Failures: dead letters as groups and as a list, one of them, and what to do with them."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from flask import render_template, request
from flask.typing import ResponseReturnValue

from app.errors import NotFound, Refused
from app.subscriptions.edits import edited
from web.auth import current_actor, requires
from web.console import words
from web.console.compared import compare
from web.console.highlight import as_json
from web.console.pages import act, back, blueprint, chosen, field, go, now, say, since, text_filter
from web.console.selection import CANARY, choose_again, read_selection
from web.console.traits import shared_traits
from web.drawing import sparkline
from web.platform import current_platform

LIVES = ("open", "acknowledged", "ignored", "resolved")
IGNORED = {"1h": 3600, "8h": 28_800, "1d": 86_400, "7d": 604_800}
GROUPS = 25
"""On one page: each has its own drawing."""
LARGEST = 64 * 1024 * 1024


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
    life = chosen("life")
    groups = platform.failures.groups(**filters, life=life if life in LIVES else None, bars=False)
    if life not in LIVES:
        groups = [each for each in groups if each["state"] != "ignored"]
    group = next((g for g in groups if g["id"] == chosen("group")), None)
    if group is None and filters["q"]:
        group = named_group(chosen("group"))  # a text may be in its letters and not in its title
    page = platform.dead_letters.find(
        **filters, group=group["id"] if group else None, limit=25, cursor=text_filter("cursor")
    )
    subscriptions = {s["name"]: s for s in platform.subscriptions.list()}
    ordered = sorted(groups, key=lambda g: words.iso(g["last"]), reverse=True)
    start = int(skipped) if (skipped := chosen("from")).isdecimal() and len(skipped) < 9 else 0
    shown = ordered[start : start + GROUPS]
    return render_template(
        "failures.html",
        groups=[(each, bars(each)) for each in platform.failures.with_bars(shown)],
        found=len(groups),
        start=start,
        following=start + GROUPS if start + GROUPS < len(ordered) else None,
        group=group,
        traits=shared_traits(page.items) if group else [],
        example=page.items[0] if group and page.items else None,
        page=page,
        total=sum(g["count"] for g in groups),
        subscriptions=subscriptions,
        since=window,
        life=life,
        lives=LIVES,
        canary=CANARY,
        filtered=any(v for v in filters.values()),
    )


def named_group(id: str) -> dict[str, Any] | None:
    try:
        return current_platform().failures.group(id) if id else None
    except NotFound:
        return None


def bars(group: dict[str, Any]) -> Any:
    return sparkline.bars(group["bars"], f"{group['count']} over time", "fail")


@blueprint.get("/failures/<id>")
@requires("viewer")
def failure(id: str) -> ResponseReturnValue:
    platform = current_platform()
    letter = fetch(id)
    group = platform.failures.group(letter["group"])
    event = letter["event"]
    good = platform.failures.last_success(letter)
    return render_template(
        "failure.html",
        letter=letter,
        event=event,
        correlationid=event.get("correlationid") or event["id"],
        group=group,
        bars=bars(group) if group else None,
        good=good,
        differences=compare(good["event"].get("data"), event.get("data")) if good else [],
        edit=edited_form(letter),
        text=as_json(edited_data(letter)),
    )


def edited_data(letter: dict[str, Any]) -> Any:
    """The data as a prepared edit leaves it."""
    if not letter.get("edit"):
        return letter["event"].get("data")
    return edited(letter["event"], letter["edit"]["patch"], LARGEST).get("data")


def edited_form(letter: dict[str, Any]) -> dict[str, Any] | None:
    """What a prepared edit changes, for the page."""
    if not letter.get("edit"):
        return None
    return {**letter["edit"], "rows": compare(letter["event"].get("data"), edited_data(letter))}


@blueprint.post("/failures/groups/<id>/<any(acknowledge, ignore, reopen):what>")
@requires("operator")
def decide(id: str, what: str) -> ResponseReturnValue:
    """Acknowledge a group, have it ignored, or open it again."""
    failures, note = current_platform().failures, field("reason")
    if what == "ignore":
        span, above = field("for"), field("above")
        until = now() + timedelta(seconds=IGNORED[span]) if span in IGNORED else None
        if above and not (above.isascii() and above.isdigit() and len(above) < 7):
            raise Refused(f"How many times a minute is a whole number, not {above[:20]!r}.")
        act("The group is ignored.", failures.ignore, id, current_actor(), note,
            until, int(above) if above else None)  # fmt: skip
    elif what == "acknowledge":
        act("You are at it now: others see that.", failures.acknowledge, id, current_actor(), note)
    else:
        act("The group is open again.", failures.reopen, id, current_actor(), note)
    return go(back(f"/failures?group={words.segment(id)}"))


def fetch(id: str) -> dict[str, Any]:
    found = current_platform().dead_letters.get(id)
    if found is None:
        raise NotFound(f"There is no dead letter {id!r}: the page Failures lists them.")
    return dict(found)


@blueprint.post("/failures/<id>/edit")
@requires("operator")
def replay_edited(id: str) -> ResponseReturnValue:
    """Send one dead letter again with its data changed, or keep the change for its replay.

    The archive keeps what was sent first.
    """
    fetch(id)
    if field("then") == "drop":
        current_platform().failures.drop_edit(id, current_actor())
        say("The edit is gone: it would be sent as it was parked.")
        return go(f"/failures/{words.segment(id)}")
    try:
        data = json.loads(request.form.get("data", ""))
    except ValueError as error:
        raise Refused(f"That is not JSON: {error}. Nothing was sent.") from None
    edits = {id: [{"op": "add", "path": "/data", "value": data}]}
    if field("then") == "keep":
        current_platform().failures.prepare_edit(id, edits[id], current_actor())
        say(
            "The edit is kept. It is sent with the next replay of this dead letter, also of its whole group."
        )
        return go(f"/failures/{words.segment(id)}")
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
