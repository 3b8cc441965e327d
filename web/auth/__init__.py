"""Who may do what: people by sessions and roles, programs by tokens and scopes.

`requires(level)` is the only gate; `current_actor()` is whom the audit log
names. Passwords and tokens are kept and checked by the platform's users and
tokens; this package only carries them.
"""

from __future__ import annotations

from typing import Any

from flask import Flask

from web.auth.door import add_door, nothing_done, unaudited
from web.auth.guard import accepts_body, add_guard, current_actor, current_identity, requires
from web.auth.sessions import add_sessions
from web.auth.throttle import add_throttle
from web.auth.views import blueprint

__all__ = [
    "accepts_body",
    "add_auth",
    "current_actor",
    "current_identity",
    "nothing_done",
    "requires",
    "unaudited",
]


def add_auth(app: Flask, settings: Any) -> None:
    """Sessions, the guard before every view, the throttle, and the sign-in page."""
    add_sessions(app)
    add_guard(app)
    add_door(app)
    app.register_blueprint(blueprint)
    add_throttle(app, settings)
