"""A form that is sent twice, by a double click or from a page gone back to, is done once.

Each page that goes out has a key of its own in its forms. What a form asks for is kept under it
(`app.store.once`); who sends the same again is led to where the first one led, and told so. What
was refused may be sent again. A form whose core has a key of its own (giving a command) isn't kept,
nor is a page that shows a secret: that form is done once all the same.
"""

from __future__ import annotations

import secrets
import time

import structlog
from flask import Response, current_app, flash, g, redirect, request, session
from flask.typing import ResponseReturnValue

from app import origin
from app.cqrs.command import digest
from app.errors import Conflict, Unavailable
from app.store.once import Claim, InProgress, Kept
from web import waiting
from web.auth import current_actor, current_identity, nothing_done
from web.auth.door import nothing_was_done
from web.console.pages import blueprint
from web.given import of_form
from web.platform import current_platform

FIELD = "form_key"
MARK = f"form-key-{secrets.token_hex(16)}"
"""Stands in what is kept of a page where its key belongs (`web.console.refreshing`)."""
PATIENCE, LOOK = 10.0, 0.1
"""Seconds to wait for the first of two, and between two looks."""

log = structlog.get_logger(__name__)


def new_key() -> str:
    return secrets.token_urlsafe(12)


@blueprint.app_context_processor
def form_key() -> dict[str, object]:
    """One for all forms of an answer: what is asked for tells them apart."""
    if "form_key" not in g:
        g.form_key = new_key()
    return {"form_key": g.form_key}


@blueprint.before_request
def claim() -> ResponseReturnValue | None:
    """Let the first of its kind go on; lead a second one to where the first one led."""
    key = request.form.get(FIELD) if request.method == "POST" else None
    view = current_app.view_functions[request.endpoint or ""]
    if not key or hasattr(view, "unaudited") or current_identity() is None:
        return None
    found = _claimed(f"form:{request.endpoint}", digest([request.path, of_form()]))
    if not isinstance(found, Claim):
        return _again(found)
    g.claim = origin.current().claim = found
    return None


@blueprint.after_request
def keep(response: Response) -> Response:
    mine = g.pop("claim", None)
    if mine is None:
        return response
    origin.current().claim = None
    once = current_platform().once
    try:
        if nothing_was_done() or response.status_code not in (302, 303):
            once.release(mine)
        else:
            said = [text for _, text in session.get("_flashes", [])]
            once.keep(mine, {"location": response.location, "said": said})
    except Unavailable as error:
        log.warning("a form's outcome is not kept; what was done is", error=str(error))
    return response


@blueprint.teardown_request
def leave(_error: BaseException | None) -> None:
    """However it ended."""
    if (mine := g.pop("claim", None)) is not None:
        current_platform().once.leave(mine)


def _claimed(what: str, asked: str) -> Claim | Kept:
    """Waits for the first of two. Raises `InProgress` where that takes long."""
    once, actor = current_platform().once, current_actor()
    with waiting.at_most(PATIENCE) as seconds:
        end = time.monotonic() + seconds
        while True:
            try:
                return once.claim(what, actor, asked, asked)
            except InProgress:
                if time.monotonic() > end:
                    raise
            time.sleep(LOOK)


def _again(kept: Kept) -> ResponseReturnValue:
    nothing_done()
    if "answer" not in kept:
        raise Conflict(
            "This form was sent before, and what it asked for was done then. Load its page again to see how it is now."
        )
    told = kept["answer"]
    flash(f"This was sent twice, and done once: {' '.join(told['said'])}", "done")
    return redirect(told["location"], code=303)
