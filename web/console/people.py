"""People: who may sign in, with which role."""

from __future__ import annotations

import secrets

from flask import render_template
from flask.typing import ResponseReturnValue

from app.errors import PenstockError, Refused
from web.auth import current_actor, requires
from web.console import words
from web.console.pages import act, blueprint, field, go, say
from web.platform import current_platform

ROLES = {
    "viewer": "sees everything, changes nothing",
    "operator": "pauses, rewinds, replays, promotes, uploads",
    "administrator": "everything, and people and tokens",
}


@blueprint.get("/people")
@requires("administrator")
def people() -> ResponseReturnValue:
    return render_template("people.html", users=current_platform().users.find(), roles=ROLES)


@blueprint.post("/people")
@requires("administrator")
def add_person() -> ResponseReturnValue:
    platform = current_platform()
    name, role = field("name"), field("role")
    if role not in ROLES:
        raise Refused(f"{role!r} is no role: choose viewer, operator or administrator.")
    password = new_password()
    try:
        with platform.audit.changing(current_actor(), "user.created", name, role=role):
            platform.users.create(name, password, role)
    except PenstockError as error:
        say(str(error), "error")
        return go("/people")
    return shown(name, password)


@blueprint.post("/people/<name>/password")
@requires("administrator")
def reset_password(name: str) -> ResponseReturnValue:
    platform = current_platform()
    password = new_password()
    with platform.audit.changing(current_actor(), "user.password-reset", name):
        platform.users.set_password(name, password)
    return shown(name, password)


@blueprint.post("/people/<name>/role")
@requires("administrator")
def set_role(name: str) -> ResponseReturnValue:
    role = field("role")
    if role not in ROLES:
        raise Refused(f"{role!r} is no role: choose viewer, operator or administrator.")
    if f"user:{name}" == current_actor() and role != "administrator":
        raise Refused("You can't take the administrator's role from yourself: ask another one.")
    done = act(f"{name} is {role} now, and has to sign in again.", _change_role, name, role)
    if done and role != "administrator":
        _say_what_tokens_stay(name)
    return go("/people")


@blueprint.post("/people/<name>/<any(shutout, letin):what>")
@requires("administrator")
def let_sign_in(name: str, what: str) -> ResponseReturnValue:
    """Somebody who has left, or is back: their name and what they did stay in the audit."""
    platform, active = current_platform(), what == "letin"
    if f"user:{name}" == current_actor() and not active:
        raise Refused("You can't shut yourself out: ask another administrator.")
    action = "user.let-in" if active else "user.shut-out"
    with platform.audit.changing(current_actor(), action, name, reason=field("reason")):
        platform.users.set_active(name, active)
    if active:
        say(f"{name} may sign in again, with the password as it was.")
    else:
        say(f"{name} is signed out everywhere and can't sign in any more.")
        _say_what_tokens_stay(name)
    return go("/people")


def _say_what_tokens_stay(name: str) -> None:
    """Tokens are the installation's and not their maker's: whoever made them may still hold them."""
    made = [
        token.name
        for token in current_platform().tokens.find()
        if token.created_by == f"user:{name}" and not token.revoked
    ]
    if made:
        say(
            f"{name} made tokens that still work: {words.listed(made, 8)}. Revoke on the page Tokens "
            "what nobody else needs.",
            "warn",
        )


def _change_role(name: str, role: str) -> None:
    platform = current_platform()
    with platform.audit.changing(current_actor(), "user.role-changed", name) as change:
        known = platform.users.get(name)
        change.before, change.after = known and known.role, role
        platform.users.set_role(name, role)


def shown(name: str, password: str) -> ResponseReturnValue:
    """The password, once, in the answer itself: it is kept nowhere in clear."""
    return render_template("password.html", name=name, password=password)


def new_password() -> str:
    return secrets.token_urlsafe(12)
