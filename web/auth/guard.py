"""The one gate before every view: who asks, how much they may send, whether they meant it.

`requires(level)` holds for sessions and bearer tokens alike. Before any view
runs, and before a byte of the body is read, `guard` bounds the body's size
and checks the CSRF token of whatever changes something by a session.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from flask import Flask, current_app, g, redirect, request, url_for
from flask_login import current_user
from flask_wtf.csrf import CSRFProtect
from werkzeug.exceptions import Forbidden, NotFound, Unauthorized
from werkzeug.urls import iri_to_uri

from app import origin
from app.events.ids import uuid7
from web.addresses import address_of
from web.auth.bearer import has_bearer, identity_of_bearer
from web.auth.identity import LEVELS, Identity
from web.platform import SEES

View = TypeVar("View", bound=Callable[..., Any])

USUAL_BODY = 4 * 1024 * 1024
SEES_SENSITIVE = "operator"
_REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{8,64}")
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")

csrf = CSRFProtect()


def current_identity() -> Identity | None:
    """Who asks, or None: by the bearer token where there is one, else by the session."""
    if "identity" not in g:
        if has_bearer():
            g.identity = identity_of_bearer()
        elif current_user.is_authenticated:
            g.identity = Identity.of_user(current_user.name, current_user.role)
        else:
            g.identity = None
    return g.identity


def current_actor() -> str:
    """`user:NAME` or `token:NAME`, for the audit log. Only behind `requires`.

    What was asked for it is theirs: a page made with it is kept for nobody else (`g.personal`).
    """
    g.personal = True
    identity = current_identity()
    if identity is None:
        raise Unauthorized
    return identity.actor


def requires(level: str) -> Callable[[View], View]:
    """Let in a viewer, publisher, operator or administrator, and nobody below."""
    if level not in LEVELS:
        raise ValueError(f"no such level: {level!r}; there are {', '.join(LEVELS)}")

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            refusal = _refusal(level)
            return view(*args, **kwargs) if refusal is None else refusal

        guarded.level = level  # type: ignore[attr-defined]
        return guarded  # type: ignore[return-value]

    return decorate


def accepts_body(bytes: int) -> Callable[[View], View]:
    """A view that takes larger bodies than USUAL_BODY from those it is open to."""

    def decorate(view: View) -> View:
        view.max_body = bytes  # type: ignore[attr-defined]
        return view

    return decorate


def sees_everything() -> bool:
    """Whether who asks may see fields that a schema marks as sensitive."""
    identity = current_identity()
    return identity is not None and identity.may(SEES_SENSITIVE)


def _refusal(level: str) -> Any:
    identity = current_identity()
    if identity is None:
        if _is_a_person():
            here = iri_to_uri(address_of(request)) if request.method == "GET" else "/"
            return redirect(url_for("auth.show_sign_in", next=here))
        raise Unauthorized(
            "That token is unknown, expired or revoked."
            if has_bearer()
            else "Sign in, or send a token: Authorization: Bearer TOKEN"
        )
    if not identity.may(level):
        raise Forbidden(
            f"{identity.actor} may not do this: it takes the role {level}, "
            f"or a token with the scope {LEVELS[level]}."
        )
    return None


def _is_a_person() -> bool:
    return not (has_bearer() or wants_json())


def wants_json() -> bool:
    """Whether this request is a program's: of the API, or for a probe."""
    return request.path.startswith("/api/") or request.path in ("/healthz", "/readyz", "/metrics")


def add_guard(app: Flask) -> None:
    app.config.update(
        WTF_CSRF_CHECK_DEFAULT=False,  # we decide when, below
        WTF_CSRF_TIME_LIMIT=None,  # a page left open over lunch still works
        MAX_CONTENT_LENGTH=USUAL_BODY,
        MAX_FORM_MEMORY_SIZE=1024 * 1024,
        MAX_FORM_PARTS=200,
    )
    csrf.init_app(app)
    app.extensions[SEES] = sees_everything
    app.before_request(say_where_from)
    app.teardown_request(forget_where_from)
    app.before_request(guard)


def say_where_from() -> None:
    """For the audit log: by which interface, from which address, in which request."""
    interface = "api" if wants_json() else "console"
    given = request.headers.get("X-Request-Id", "")
    cause = given if _REQUEST_ID.fullmatch(given) else uuid7()
    g.origin = origin.enter(origin.Origin(interface, request.remote_addr, cause))


def forget_where_from(_error: BaseException | None) -> None:
    token = g.pop("origin", None)
    if token is not None:
        origin.leave(token)


def guard() -> None:
    """Bound the body; then refuse what changes something by a session without its token."""
    if "\x00" in request.path:
        raise NotFound  # nothing has a NUL in its name, and PostgreSQL refuses to look
    if request.method in SAFE_METHODS or request.endpoint is None:
        return
    _bound_body()
    if has_bearer():
        return
    if wants_json() and current_identity() is None:
        return  # `requires` says what is missing
    csrf.protect()


def _bound_body() -> None:
    view = current_app.view_functions[request.endpoint or ""]
    larger = getattr(view, "max_body", None)
    if larger is None:
        return
    identity = current_identity()
    if identity is not None and identity.may(getattr(view, "level", "administrator")):
        request.max_content_length = larger
