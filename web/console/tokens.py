"""Tokens: what scripts and services sign in with. A secret is shown once."""

from __future__ import annotations

from datetime import timedelta

from flask import render_template, request
from flask.typing import ResponseReturnValue

from app.errors import Refused
from web.auth import current_actor, requires
from web.console.pages import act, blueprint, field, go, now
from web.platform import current_platform

SCOPES = {
    "read": "see events, runs, failures, models",
    "publish": "publish events",
    "operate": "pause, rewind, replay, promote, upload",
    "admin": "everything",
}
LIFETIMES = (("30", "30 days"), ("90", "90 days"), ("365", "a year"), ("", "no end"))


@blueprint.get("/tokens")
@requires("administrator")
def tokens() -> ResponseReturnValue:
    found = current_platform().tokens.find()
    return render_template("tokens.html", tokens=found, scopes=SCOPES, lifetimes=LIFETIMES)


@blueprint.post("/tokens")
@requires("administrator")
def create_token() -> ResponseReturnValue:
    platform = current_platform()
    name = field("name")
    scopes = [s for s in request.form.getlist("scope") if s in SCOPES]
    days = field("days")
    if not name or not scopes:
        raise Refused("A token needs a name and at least one scope.")
    if days not in dict(LIFETIMES):
        raise Refused(f"{days!r} days is not offered: choose one of the list.")
    expires = now() + timedelta(days=int(days)) if days else None
    with platform.audit.changing(current_actor(), "token.created", name, scopes=scopes):
        token, secret = platform.tokens.create(name, scopes, expires, current_actor())
    return render_template("token.html", token=token, secret=secret, host=request.host_url)


@blueprint.post("/tokens/<id>/revoke")
@requires("administrator")
def revoke_token(id: str) -> ResponseReturnValue:
    act("The token is revoked; the next request with it is refused.", _revoke, id)
    return go("/tokens")


def _revoke(id: str) -> None:
    platform = current_platform()
    with platform.audit.changing(current_actor(), "token.revoked", id):
        platform.tokens.revoke(id)
