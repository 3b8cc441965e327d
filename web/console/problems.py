"""A form that can't be done leads back to its page, with the reason said there.

All other errors become pages as `web.problems` writes them.
"""

from __future__ import annotations

from flask import request
from flask.typing import ResponseReturnValue

from app.errors import PenstockError, Unavailable
from web.console.pages import back, blueprint, go, say
from web.problems import answer_to


@blueprint.errorhandler(PenstockError)
def explain(error: PenstockError) -> ResponseReturnValue:
    if request.method == "POST" and "back" in request.form and not isinstance(error, Unavailable):
        say(str(error), "error")
        return go(back("/"))
    return answer_to(error)
