"""Position tokens over HTTP: where a write ended (`X-Position`), and reads that wait for it.

A read that is served from a read model takes `X-Min-Position`, or `?after=`. It waits up to
`Prefer: wait=N` seconds (2 by default) until its answer includes what was written up to there.
If it doesn't come to it, the answer is 202 with how far behind the read model is; with
`Prefer: stale` it is what there is, marked by `X-Stale`. A read of what becomes of events later
(`OUTCOMES`) refuses a position, since none stands for that. All others read what they answer from
where it is written, and are never behind.
"""

from __future__ import annotations

import re
from typing import Any

from flask import Flask, Response, g, request

from app import origin
from app.cqrs.declaration import CONSOLE
from app.cqrs.reaching import ARCHIVE, is_beyond, sentence
from app.errors import Refused
from app.events.position import WRITTEN, Position
from web import waiting
from web.api.parameters import Parameter
from web.api.shapes import COUNT, FLAG, MAYBE_COUNT, MAYBE_NUMBER, TEXT, obj
from web.auth.guard import SAFE_METHODS
from web.platform import current_platform
from web.problems import BadInput, problem

POSITION, LEAST, STALE = "X-Position", "X-Min-Position", "X-Stale"
PATIENCE, LONGEST = 2.0, 30.0
OUTCOMES = "outcomes"
"""What dead letters, figures and alerts are read from: no position of a write stands for them."""
STANDING = ("paused", "stopped")
_WAIT = re.compile(r"\bwait\s*=\s*(\d{1,4})\b")
_STALE = re.compile(r"(^|[\s,;])stale($|[\s,;])")

AFTER = Parameter("after", "Answer with what includes this `X-Position` of a write; as the header "
                  "`X-Min-Position`.", "position")  # fmt: skip
LEAST_HEADER = {
    "name": LEAST, "in": "header", "schema": {"type": "string", "pattern": WRITTEN},
    "description": "As `after`: the `X-Position` of a write that the answer is to include.",
}  # fmt: skip
BEHIND = obj(
    {"type": TEXT, "title": TEXT, "status": COUNT, "detail": TEXT, "instance": TEXT,
     "projection": TEXT, "asked": TEXT, "reached": FLAG, "left_out": FLAG, "state": TEXT, "older_code": FLAG,
     "position": MAYBE_COUNT, "head": MAYBE_COUNT, "behind": obj({"events": MAYBE_COUNT, "seconds": MAYBE_NUMBER})}
)  # fmt: skip


def with_position(response: Response, position: int | str | None) -> Response:
    """The answer of a write that ended there; of one that wrote nothing, as it is.

    What a worker was asked for is no place for a client to wait for: no projection follows that topic.
    """
    g.said_position = True
    if position is not None:
        response.headers[POSITION] = str(position)
    return response


def add_positions(app: Flask) -> None:
    app.after_request(say_position)


def say_position(response: Response) -> Response:
    """Every change that appended or published says where it ended."""
    done = request.method not in SAFE_METHODS and response.status_code < 400
    if done and "said_position" not in g:
        return with_position(response, written())
    return response


def written() -> str | None:
    """Where what this request did ended; None where it wrote nothing that has a position."""
    position = Position.of(origin.current())
    return None if position is None else str(position)


def patience(usual: float) -> float:
    """Seconds to wait, by `Prefer` (RFC 7240). Raises BadInput."""
    prefer = request.headers.get("Prefer", "")
    given = _WAIT.search(prefer)
    if given is None:
        return 0.0 if "respond-async" in prefer else usual
    if float(given[1]) > LONGEST:
        raise BadInput(
            f"Prefer: wait={given[1]} is more than the {LONGEST:.0f} seconds that this waits."
        )
    return float(given[1])


def waited_for(projection: str, after: str | None) -> dict[str, Any] | None:
    """What a read that wants a position is to know; None where it wants none, or has it."""
    wanted = after or request.headers.get(LEAST)
    if not wanted:
        return None
    try:
        position = Position.read(wanted)
    except Refused as error:
        raise BadInput(str(error)) from error
    wait_for = current_platform().projections.wait_for
    with waiting.at_most(patience(PATIENCE)) as seconds:
        told: dict[str, Any] = wait_for(projection, position, seconds)
    return None if told["reached"] else told


def refuse_position() -> None:
    """Raises BadInput where a position is asked of what none stands for."""
    if request.headers.get(LEAST) or request.args.get("after"):
        raise BadInput(
            f"No position stands for what is answered here: what becomes of an event is decided after "
            f"it was published. Leave {LEAST} out, and ask for its run, which says when it has ended: "
            "GET /api/v1/runs/ID?after=POSITION"
        )


def takes_stale() -> bool:
    return _STALE.search(request.headers.get("Prefer", "")) is not None


def behind(told: dict[str, Any]) -> Response:
    """202: not there yet, and how far behind."""
    ask = "Ask again, wait longer (Prefer: wait=10)"
    waits = told["state"] == "stopped" and told["older_code"]
    stands = told["state"] in STANDING and not waits
    if is_beyond(told):
        ask = "Ask with the position that a write answered"
    elif stands:
        ask = f"It doesn't go on by itself: an operator {_what_helps(told)}. Then ask again"
    detail = f"{sentence(told)} {ask}, or take what there is (Prefer: stale)."
    response = problem(202, detail, "behind", **told)
    if not stands:
        response.headers["Retry-After"] = "1"
    return response


def _what_helps(told: dict[str, Any]) -> str:
    name = told["projection"]
    if name in CONSOLE or name == ARCHIVE:
        return f"resumes the archive (POST /api/v1/subscriptions/{ARCHIVE}/resume)"
    resume = f"POST /api/v1/projections/{name}/resume"
    if told["state"] == "paused":
        return f"resumes it ({resume})"
    return f"mends what stopped it and resumes it, or skips the event ({resume}, or /skip)"


def marked_stale(response: Response, told: dict[str, Any]) -> Response:
    """The answer as it is, and how far behind it is."""
    known = {name: value for name, value in told["behind"].items() if value is not None}
    if is_beyond(told):
        known = {"beyond-head": "?1", "head": told["head"]}
    response.headers[STALE] = ", ".join(f"{name}={value}" for name, value in known.items()) or "?1"
    response.headers["Preference-Applied"] = "stale"
    return response
