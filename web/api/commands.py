"""/commands: which there are, and giving one, once for each Idempotency-Key.

A worker carries it out, since this process imports no author's code; the answer is waited for
as long as the client likes (`Prefer: wait=5`, or `respond-async` for not at all; RFC 7240).
"""

from __future__ import annotations

from typing import Any

from flask import Response, request, url_for

from app.cqrs import refusals
from app.errors import Conflict
from app.store.commands import OPEN, STATES
from web import waiting
from web.api.pages import rendered, sliced
from web.api.parameters import PAGE, Parameter
from web.api.positions import patience, with_position
from web.api.routes import Body, route
from web.api.shapes import ANY_OBJECT, MAYBE_COUNT, MAYBE_TEXT, TEXT, TIME, obj, page_of
from web.auth import current_actor, current_identity, unaudited
from web.platform import current_platform
from web.rendering import answer

COMMAND = obj({"name": TEXT, "level": TEXT, "schema": ANY_OBJECT, "doc": TEXT})
STATE = obj({"id": TEXT, "command": TEXT, "actor": TEXT, "state": {"enum": [*STATES]},
             "answer": {}, "position": MAYBE_COUNT,
             "problem": {"type": ["object", "null"]}, "letter": MAYBE_TEXT},
            trouble={"type": ["object", "null"]})  # fmt: skip
GIVEN = obj({"id": TEXT, "command": TEXT, "actor": TEXT, "state": {"enum": [*STATES]}, "key": MAYBE_TEXT,
             "position": MAYBE_COUNT, "problem": {"type": ["object", "null"]}, "letter": MAYBE_TEXT,
             "at": TIME})  # fmt: skip
WAIT = 10.0


@route("GET", "/commands", "viewer", answers=page_of(COMMAND), query=PAGE)
def list_commands(limit: int, cursor: str | None) -> dict[str, Any]:
    """The commands that the workers know, each with the JSON Schema of what it takes."""
    return sliced(current_platform().commands.list(), limit, cursor)


@route("GET", "/commands/answers", "operator", answers=page_of(GIVEN),
       query=(Parameter("command", "Only of this command."),
              Parameter("state", "Only in this state.", "text", STATES), *PAGE))  # fmt: skip
def list_given(**filters: Any) -> dict[str, Any]:
    """Commands that were given in the last 14 days, and what became of them; newest first."""
    return rendered(current_platform().commands.given(**filters))


@route("GET", "/commands/<name>", "viewer", answers=COMMAND, may_fail=(404,))
def get_command(name: str) -> dict[str, Any]:
    """One command: its schema and who may give it."""
    return current_platform().commands.get(name)


@unaudited("the worker that carries it out writes it, with its answer, or that it did nothing")
@route("POST", "/commands/<name>", "anybody", answers=STATE, body=Body(ANY_OBJECT, optional=True),
       also=(202,), may_fail=(404, 409))  # fmt: skip
def give_command(name: str, body: dict[str, Any]) -> Response:
    """Give a command; the same `Idempotency-Key` again gets the same answer, and does nothing more.

    202 where it is not carried out yet: `Location` says where to ask again. 409 too where its
    code failed and a person has discarded it.
    """
    identity, seconds = current_identity(), patience(WAIT)
    commands = current_platform().commands
    id = commands.send(
        name, body, actor=current_actor(), may=identity.levels if identity else [],
        key=request.headers.get("Idempotency-Key"),
    )  # fmt: skip
    with waiting.at_most(seconds) as seconds:
        told = commands.wait(id, seconds)
    if told["state"] == "refused":
        raise refusals.raised(told["problem"])
    if told["state"] == "discarded":
        raise Conflict(
            "Its code failed, and it was discarded: nothing was done. Give it under another key."
        )
    response = answer(told, 202 if told["state"] in OPEN else 200)
    response.headers["Location"] = url_for("api.get_answer", id=id)
    return with_position(response, told["position"])


@route("GET", "/commands/answers/<id>", "anybody", answers=STATE, may_fail=(404,))
def get_answer(id: str) -> Response:
    """What became of a command: of one's own; an operator sees everybody's.

    Of one that waits or is parked, `trouble` says with what its code failed, and where it is parked.
    """
    identity = current_identity()
    own = None if identity and identity.may("operator") else current_actor()
    commands = current_platform().commands
    told = commands.state(id, own)
    if told["state"] in OPEN:
        told = {**told, "trouble": commands.trouble(id)}
    return with_position(answer(told), told["position"])
