"""People: who may sign in, with which role."""

from __future__ import annotations

import secrets

from flask import render_template
from flask.typing import ResponseReturnValue

from app.errors import PenstockError, Refused
from web.auth import current_actor, requires
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
    act(f"{name} is {role} now, and has to sign in again.", _change_role, name, role)
    return go("/people")


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
