"""Every error, as people and programs are told of it.

One table maps the errors that the platform raises on purpose to HTTP. A
program gets problem details (RFC 9457), a person a page that says the same.
An unforeseen error is logged under a reference, and only the reference leaves
the process.
"""

from __future__ import annotations

import logging
import secrets
from http import HTTPStatus
from typing import Any

import redis.exceptions
from flask import Flask, Response, render_template, request
from flask.typing import ResponseReturnValue
from flask_limiter.errors import RateLimitExceeded
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import (
    BadRequestKeyError,
    HTTPException,
    RequestEntityTooLarge,
    Unauthorized,
)

from app import errors
from app.events.cloudevents import UnknownContentType, Unparsable
from app.store.once import InProgress
from app.store.page import BadCursor
from config.errors import SettingsError
from web.auth.guard import wants_json
from web.rendering import encode

log = logging.getLogger(__name__)

RETRY_AFTER = "2"  # seconds: about what a restart of Redis takes
IN_PROGRESS = "in-progress"

# The first that fits, from the narrower to the wider.
STATUSES: list[tuple[type[Exception], int, str]] = [
    (BadCursor, 400, "bad-input"),
    (errors.InvalidEvents, 422, "invalid-events"),
    (errors.EventTooLarge, 413, "event-too-large"),
    (errors.NotFound, 404, "not-found"),
    (InProgress, 409, IN_PROGRESS),
    (errors.Conflict, 409, "conflict"),
    (errors.NotAllowed, 403, "not-allowed"),
    (errors.InvalidCommand, 422, "invalid-command"),
    (errors.Refused, 422, "refused"),
    (errors.Unavailable, 503, "unavailable"),
    (SettingsError, 503, "unavailable"),  # no server was started here
    (Unparsable, 400, "unparsable"),
    (UnknownContentType, 415, "unsupported-media-type"),
    (redis.exceptions.ConnectionError, 503, "unavailable"),
    (redis.exceptions.TimeoutError, 503, "unavailable"),
]

UNREACHABLE = "Redis can't be reached just now. Nothing was done; try again in a few seconds."

WORDS = {
    404: "There is nothing at {path}.",
    405: "{path} does not take {method}: it takes {allowed}.",
    413: "The body is too large for {path}.",
}


class BadInput(Exception):
    """A parameter or a body that can't be understood; the message says which and why."""


class Unsupported(Exception):
    """A body of a content type that this route does not read."""


STATUSES += [(BadInput, 400, "bad-input"), (Unsupported, 415, "unsupported-media-type")]


def add_problems(app: Flask) -> None:
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(Exception, answer_to)


def problem(status: int, detail: str, kind: str | None = None, **more: Any) -> Response:
    """Problem details; `kind` names the sort of problem for programs that switch on it."""
    body = {
        "type": f"urn:penstock:problem:{kind}" if kind else "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "instance": request.path,
        **more,
    }
    return Response(encode(body), status, content_type="application/problem+json")


def _tell(status: int, detail: str, kind: str | None = None, **more: Any) -> Response:
    if wants_json():
        response = problem(status, detail, kind, **more)
    else:
        title = HTTPStatus(status).phrase
        page = render_template("error.html", status=status, heading=title, detail=detail, **more)
        response = Response(page, status, content_type="text/html; charset=utf-8")
    if status == 503 or kind == IN_PROGRESS:
        response.headers["Retry-After"] = RETRY_AFTER
    if status == 401:
        response.headers["WWW-Authenticate"] = 'Bearer realm="penstock"'
    return response


def answer_to(error: Exception) -> ResponseReturnValue:
    """What is told of `error`: by its row in STATUSES, else as unforeseen."""
    fitting = [(status, kind) for family, status, kind in STATUSES if isinstance(error, family)]
    if not fitting:
        return _unforeseen(error)
    status, kind = fitting[0]
    if isinstance(error, redis.exceptions.RedisError):
        log.warning("Redis failed during %s %s: %s", request.method, request.path, error)
        return _tell(status, UNREACHABLE, kind)
    if isinstance(error, errors.InvalidEvents | errors.InvalidCommand):
        return _tell(status, str(error), kind, problems=error.problems)
    return _tell(status, str(error), kind)


def _unforeseen(error: Exception) -> Response:
    reference = secrets.token_hex(6)
    log.error(
        "unforeseen error %s in %s %s", reference, request.method, request.path, exc_info=error
    )
    detail = f"Something broke on our side. The log has it under the reference {reference}."
    return _tell(500, detail, "unforeseen", reference=reference)


def _http(error: HTTPException) -> ResponseReturnValue:
    status = error.code or 500
    if status < 400:
        return error.get_response()
    original = getattr(error, "original_exception", None)
    if isinstance(original, Exception):
        return answer_to(original)  # a handler of a blueprint raised it again
    if isinstance(error, RateLimitExceeded):
        detail = "Too many tries. Wait a minute, then try again."
        response = _tell(429, detail, "too-many-requests")
        response.headers["Retry-After"] = "60"
        return response
    if isinstance(error, CSRFError):
        detail = (
            "This form is too old, or was not sent from this site. "
            "Go back, load the page again, and send it once more."
        )
        return _tell(400, detail, "csrf")
    response = _tell(status, _words(error, status), _kind(error))
    allowed = getattr(error, "valid_methods", None)
    if allowed:
        response.headers["Allow"] = ", ".join(sorted(allowed))
    return response


def _kind(error: HTTPException) -> str | None:
    return "too-large" if isinstance(error, RequestEntityTooLarge) else None


def _words(error: HTTPException, status: int) -> str:
    if isinstance(error, BadRequestKeyError):
        return f"The form lacks the field {error.args[0] if error.args else '?'!r}."
    if status in WORDS:
        allowed = " or ".join(sorted(getattr(error, "valid_methods", None) or ["nothing else"]))
        return WORDS[status].format(path=request.path, method=request.method, allowed=allowed)
    if isinstance(error, Unauthorized) and error.description == Unauthorized.description:
        return "Sign in first."
    return error.description or HTTPStatus(status).phrase
