"""The pages /sign-in and /sign-out."""

from __future__ import annotations

import logging
from urllib.parse import urlsplit

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from web.auth.sessions import sign_in, sign_out
from web.auth.throttle import forgive
from web.platform import current_platform

log = logging.getLogger(__name__)

blueprint = Blueprint("auth", __name__)

# Hashing a password takes time by its length.
LONGEST_PASSWORD = 1024


@blueprint.get("/sign-in")
def show_sign_in() -> ResponseReturnValue:
    destination = local_path(request.args.get("next"))
    if current_user.is_authenticated:
        return redirect(destination)
    return render_template("sign-in.html", next=destination, error=None)


@blueprint.post("/sign-in")
def try_sign_in() -> ResponseReturnValue:
    """How often it may be called is `web.auth.throttle`'s affair."""
    name = request.form.get("username", "").strip()
    password = request.form.get("password", "")
    destination = local_path(request.form.get("next"))
    user = None
    if len(password) <= LONGEST_PASSWORD:
        user = current_platform().users.verify(name, password)
    if user is None:
        log.warning("a sign-in failed for %r from %s", name[:100], request.remote_addr)
        error = "That user and password don't go together. Check both and try again."
        return render_template("sign-in.html", next=destination, error=error, username=name), 401
    forgive()
    sign_in(user)
    current_platform().audit.record(f"user:{user.name}", "user.signed-in", user.name)
    return redirect(destination)


@blueprint.post("/sign-out")
def end_session() -> ResponseReturnValue:
    if current_user.is_authenticated:
        name = current_user.name
        current_platform().audit.record(f"user:{name}", "user.signed-out", name)
    sign_out()
    return redirect(url_for("auth.show_sign_in"))


def local_path(target: str | None) -> str:
    """`target` where it is a path of this site, else `/`: nobody is sent elsewhere."""
    if not target or not target.startswith("/") or target[1:2] in ("/", "\\"):
        return "/"
    if any(character <= " " or character in "\\\x7f" for character in target):
        return "/"
    parts = urlsplit(target)
    return "/" if parts.scheme or parts.netloc else target
