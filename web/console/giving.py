"""Giving a command by hand: a form from its schema, a key against doubles, and its answer.

The form goes the same way as `POST /api/v1/commands/NAME`: what can be told without the author's
code is said beside its field, the rest is a worker's to answer.
"""

from __future__ import annotations

from typing import Any

from flask import redirect, render_template, request
from flask.typing import ResponseReturnValue

from app.errors import Conflict, InvalidCommand, NotAllowed, Refused
from app.events.ids import uuid7
from app.store.commands import OPEN, SUBSCRIPTION
from web import waiting
from web.auth import current_actor, current_identity, requires, unaudited
from web.console import words
from web.console.commands import SEES_ALL
from web.console.highlight import as_json
from web.console.pages import blueprint, chosen, field
from web.console.publishing import read
from web.console.recent import forget
from web.console.schema_form import fields, given_of
from web.platform import current_platform

PATIENCE = 3.0
"""Seconds for which the answer is waited for before the page that shows it."""


@blueprint.get("/commands/give")
@requires("viewer")
def give_form() -> ResponseReturnValue:
    """Empty, or with what was asked in another one (`like`)."""
    name, like = chosen("command"), chosen("like")
    asked = asked_in(like) if like and seen(like)["command"] == name else None
    return form(name, chosen("as") == "json", uuid7(), asked=asked)


@unaudited("the worker that carries it out writes it, with its answer, or that it did nothing")
@blueprint.post("/commands/give")
@requires("viewer")
def give_by_hand() -> ResponseReturnValue:
    """Give it, or show the form again with what is wrong. Who may is for the command to say."""
    commands, name, raw = current_platform().commands, field("command"), field("as") == "json"
    key = field("key") or uuid7()
    identity = current_identity()
    data, problems = read(commands.get(name)["schema"], raw)
    if not problems:
        try:
            id = commands.send(
                name, data, actor=current_actor(), may=identity.levels if identity else [], key=key
            )
        except InvalidCommand as error:
            problems = {one["field"].split(".")[0]: one["problem"] for one in error.problems}
        except NotAllowed:
            raise
        except (Conflict, Refused) as error:
            problems = {"": str(error)}
        else:
            with waiting.at_most(PATIENCE) as seconds:
                commands.wait(id, seconds)
            forget()
            return redirect(f"/commands/given/{words.segment(id)}", code=303)
    return form(name, raw, key, problems)


@blueprint.get("/commands/given/<id>")
@requires("viewer")
def command_given(id: str) -> ResponseReturnValue:
    """What became of one: of one's own; an operator sees everybody's, as in the API."""
    given = seen(id)
    trouble = current_platform().commands.trouble(id) if given["state"] in OPEN else None
    hand = in_hand(id) if given["state"] == "waiting" else None
    return render_template(
        "command-given.html", given=given, trouble=trouble, hand=hand, asked=asked_in(id)
    )


def seen(id: str) -> dict[str, Any]:
    """A command that who asks may see. Raises `NotFound`."""
    identity = current_identity()
    own = None if identity and identity.may(SEES_ALL) else current_actor()
    return dict(current_platform().commands.state(id, own))


def in_hand(id: str) -> dict[str, Any] | None:
    """Which worker carries it out now, and since when: `{"worker", "since"}`."""
    platform = current_platform()
    found = platform.archive.get(id)
    for worker in platform.workers.list() if found else ():
        for slot in worker["slots"] if worker.get("alive", True) else ():
            if slot["subscription"] == SUBSCRIPTION and slot["event"] == found["position"]:
                return {"worker": worker["id"], "since": slot["since"]}
    return None


def asked_in(id: str) -> dict[str, Any] | None:
    """What was asked, from the event that brought it; None where the archive doesn't have it (yet)."""
    found = current_platform().archive.get(id)
    data = found["event"].get("data") if found else None
    asked = data.get("asked") if isinstance(data, dict) else None
    return asked if isinstance(asked, dict) else None


def form(
    name: str,
    raw: bool,
    key: str,
    problems: dict[str, str] | None = None,
    asked: dict[str, Any] | None = None,
) -> ResponseReturnValue:
    commands, problems = current_platform().commands, problems or {}
    command: dict[str, Any] | None = commands.get(name) if name else None
    filled = given_of(asked) if asked else request.form
    shown = fields(command["schema"], filled, problems) if command and not raw else []
    placed = {one.name for one in shown}
    page = render_template(
        "command-give.html",
        names=[one["name"] for one in commands.list()],
        command=command,
        fields=shown,
        raw=raw,
        text=request.form.get("raw", as_json(asked or {})),
        key=key,
        others=[f"{k}: {v}" if k else v for k, v in problems.items() if k not in placed],
    )
    return (page, 422) if problems else page
