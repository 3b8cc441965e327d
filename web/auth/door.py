"""The door that every change goes out by: none leaves without a line in the audit log.

The core's functions write it, in the transaction of what they change (`app.store.audit`). A
request that changed something and left no line (a new view whose core forgot) gets one here,
`request.made`. What changes nothing says so with `unaudited`, and why.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from flask import Flask, Response, current_app, g, request

from app import origin
from web.auth.guard import SAFE_METHODS, current_identity
from web.platform import current_platform

View = TypeVar("View", bound=Callable[..., Any])

FORGOTTEN = "request.made"
ANONYMOUS = "anonymous"


def unaudited(why: str) -> Callable[[View], View]:
    """A view that changes nothing, or whose change is its own record."""

    def decorate(view: View) -> View:
        view.unaudited = why  # type: ignore[attr-defined]
        return view

    return decorate


def nothing_done() -> None:
    """Said by a view that was asked for a change and made none: it was refused, or only tried."""
    g.nothing_done = True


def nothing_was_done() -> bool:
    """Whether that was said."""
    return "nothing_done" in g


def add_door(app: Flask) -> None:
    app.after_request(leave)


def leave(response: Response) -> Response:
    """Write the line that is missing."""
    if request.method in SAFE_METHODS or response.status_code >= 400 or request.endpoint is None:
        return response
    view = current_app.view_functions.get(request.endpoint)
    if hasattr(view, "unaudited") or nothing_was_done() or origin.current().noted:
        return response
    identity = current_identity()
    current_platform().audit.record(
        identity.actor if identity else ANONYMOUS, FORGOTTEN, f"{request.method} {request.path}",
        route=request.endpoint, status=response.status_code,
    )  # fmt: skip
    return response
