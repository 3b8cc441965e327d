"""Sessions of people: a signed cookie that names the session, the user, and the version of their sessions.

A session is a row that can be listed and ended by itself. Changing a user's
password or role raises their `session_version`, and every cookie made before
is worth nothing.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from flask import Flask, g, request, session
from flask.sessions import SecureCookieSessionInterface, SessionMixin
from flask_login import (
    AnonymousUserMixin,
    LoginManager,
    UserMixin,
    current_user,
    login_user,
    logout_user,
)

from app.errors import Unavailable
from web.platform import current_platform

LIFETIME = timedelta(hours=12)


class SignedIn(UserMixin):
    """A user as flask-login and the templates (`current_user`) see them."""

    def __init__(self, user: Any, session: str):
        self.name: str = user.name
        self.role: str = user.role
        self.session = session
        self._version = user.session_version

    def get_id(self) -> str:
        return f"{self._version}:{self.session}:{self.name}"


class CookieSessions(SecureCookieSessionInterface):
    """Cookies that browsers send back over https only, where they came by https.

    Static files never carry one: a cache between us and the browser may keep
    those answers, and would hand the cookie to somebody else.
    """

    def should_set_cookie(self, app: Flask, session: SessionMixin) -> bool:
        return request.endpoint != "static" and super().should_set_cookie(app, session)

    def get_cookie_secure(self, app: Flask) -> bool:
        return request.is_secure


def add_sessions(app: Flask) -> None:
    app.session_interface = CookieSessions()
    app.config.update(
        SESSION_COOKIE_NAME="penstock",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        PERMANENT_SESSION_LIFETIME=LIFETIME,
    )
    manager = LoginManager(app)
    manager.session_protection = "basic"
    manager.user_loader(load_user)


def load_user(id: str) -> SignedIn | None:
    """The user whom a cookie names, unless their sessions were ended since."""
    version, _, rest = id.partition(":")
    kept, _, name = rest.partition(":")
    platform = current_platform()
    try:
        user = platform.users.get(name)
        goes_on = user is not None and platform.sessions.holds(kept, name)
    except Unavailable:
        # The page that says so has a visitor too: for the rest of this request, nobody.
        g._login_user = AnonymousUserMixin()
        raise
    if user is None or not goes_on or not user.active or str(user.session_version) != version:
        return None
    return SignedIn(user, kept)


def sign_in(user: Any) -> None:
    """Begin a session; what the cookie held before is gone (session fixation)."""
    session.clear()
    session.permanent = True
    agent = request.headers.get("User-Agent", "")
    kept = current_platform().sessions.begin(user.name, request.remote_addr or "", agent)
    login_user(SignedIn(user, kept))


def sign_out() -> None:
    if current_user.is_authenticated:
        name = current_user.name
        current_platform().sessions.revoke(current_user.session, f"user:{name}", name)
    logout_user()
    session.clear()
