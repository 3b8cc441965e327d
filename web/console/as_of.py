"""How something was, asked of a worker by a form of the console; the same for projections and aggregates."""

from __future__ import annotations

from flask.typing import ResponseReturnValue

from app.cqrs.as_of.asking import AsOf
from app.errors import PenstockError
from web import waiting
from web.api.parameters import parse_time, whole
from web.auth import current_actor
from web.console import words
from web.console.pages import field, go, query, say
from web.problems import BadInput

PATIENCE = 3.0
"""Seconds for which what a worker finds is waited for before the page that shows it."""


def ask(asking: AsOf, name: str, page: str) -> ResponseReturnValue:
    """Ask for the moment in the form, a number or a time; then see the answer's page, below `page`.

    Where there is no such moment, that is said on `page`, with what was typed.
    """
    by = asking.by
    number, at = field(by) or None, field("at") or None
    try:
        id = asking.ask(
            name,
            current_actor(),
            whole(f"The {by}", number),
            parse_time("The time", at) if at else None,
        )
    except (PenstockError, BadInput) as error:
        say(str(error), "error")
        return go(page + query({"asked_number": number, "asked_at": at}))
    with waiting.at_most(PATIENCE) as seconds:
        asking.wait(id, name, seconds)
    return go(f"{page}/as-of/{words.segment(id)}#moment")  # by keyboard one goes on from there
