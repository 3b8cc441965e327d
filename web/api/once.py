"""`Idempotency-Key`: whatever changes something is done once for each key of who asks, and answered the same again.

A resend after a lost reply gets the answer, or the refusal, that the first one got, and changes
nothing (`app.store.once`). Where only the answer was lost, with the process that made it, a resend
is told what was done. Without the header a change is made as often as it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import structlog
from flask import Response, request

from app import origin
from app.cqrs import refusals
from app.cqrs.asked import checked_key
from app.cqrs.command import digest
from app.errors import PenstockError, Unavailable
from app.store.once import Claim, Kept
from web.api.positions import with_position, written
from web.auth import current_actor
from web.auth.door import nothing_done, nothing_was_done
from web.given import of_form
from web.platform import current_platform
from web.rendering import answer

HEADER = "Idempotency-Key"
FORM = "multipart/form-data"
IN_HEADER = {
    "name": HEADER, "in": "header", "schema": {"type": "string", "minLength": 1, "maxLength": 200},
    "description": "The same key of yours again, within 14 days, gets the same answer and changes nothing; "
    "for something else it is refused (409). Where the first answer was lost, 200 with "
    '`{"made": {"action", "target"}}`.',
}  # fmt: skip

log = structlog.get_logger(__name__)


def for_its_key(endpoint: str, values: dict[str, Any], respond: Callable[[], Response]) -> Response:
    """What `respond` answers, or did answer under this key for these values and this form."""
    name = checked_key(request.headers.get(HEADER))
    if name is None:
        return respond()
    once = current_platform().once
    form = [of_form()] if request.mimetype == FORM else []
    found = once.claim(endpoint, current_actor(), name, digest([request.path, values, *form]))
    if not isinstance(found, Claim):
        return _again(found)
    here = origin.current()
    here.claim = found
    try:
        response = respond()
    except Exception as error:
        problem = refusals.told(error) if isinstance(error, PenstockError) else None
        with _not_in_its_way(name):
            if problem is None:
                once.release(found)
            else:
                once.refuse(found, problem)
        raise
    finally:
        here.claim = None
        once.leave(found)
    if nothing_was_done() or response.status_code >= 400:
        with _not_in_its_way(name):
            once.release(found)
        return response
    with _not_in_its_way(name):
        once.keep(
            found,
            {"status": response.status_code, "body": response.get_json(), "position": written()},
        )
    return response


@contextmanager
def _not_in_its_way(name: str) -> Iterator[None]:
    """What was done, or why not, is told all the same; a resend is told `in-progress` until the claim ends."""
    try:
        yield
    except Unavailable as error:
        log.warning("what became of a request is not kept", key=name, error=str(error))


def _again(kept: Kept) -> Response:
    nothing_done()
    if problem := kept.get("problem"):
        raise refusals.raised(problem)
    if "answer" not in kept:
        return answer({"made": kept["made"]})
    told = kept["answer"]
    return with_position(answer(told["body"], told["status"]), told["position"])
