"""Making and changing webhooks, and deleting a subscription: forms, and what they would do in words."""

from __future__ import annotations

from typing import Any

from flask import render_template, request
from flask.typing import ResponseReturnValue

from app.errors import Conflict, PenstockError, Refused
from web.auth import current_actor, requires
from web.console import changing, words
from web.console.pages import act, blueprint, field, go, say
from web.console.subscriptions import fetch
from web.platform import current_platform


@blueprint.get("/webhooks/new")
@requires("administrator")
def new_webhook() -> ResponseReturnValue:
    return form()


@blueprint.post("/webhooks")
@requires("administrator")
def create_webhook() -> ResponseReturnValue:
    """Make it and show its secret once; or the form again with what is wrong, as it was filled in."""
    name, written = field("name"), field("filter")
    try:
        filter = changing.read_filter(written) if written else None
        secret = current_platform().webhooks.create(
            name, field("url"), types(), current_actor(), filter=filter, start=field("start", "now")
        )
    except (Refused, Conflict) as refused:
        say(str(refused), "error")
        return form(), 422
    return render_template("secret.html", name=name, secret=secret, renewed=False)


@blueprint.post("/webhooks/<name>/change")
@requires("administrator")
def change_webhook(name: str) -> ResponseReturnValue:
    act(
        f"{name} has its new address and types. Workers take them up within a second.",
        current_platform().webhooks.change, name, current_actor(), url=field("url"), types=types(),
    )  # fmt: skip
    return go(f"/subscriptions/{words.segment(name)}")


@blueprint.post("/webhooks/<name>/secret")
@requires("administrator")
def renew_secret(name: str) -> ResponseReturnValue:
    try:
        secret = current_platform().webhooks.renew(name, current_actor())
    except PenstockError as error:
        say(str(error), "error")
        return go(f"/subscriptions/{words.segment(name)}")
    return render_template("secret.html", name=name, secret=secret, renewed=True)


@blueprint.get("/subscriptions/<path:name>/delete")
@requires("operator")
def confirm_deletion(name: str) -> ResponseReturnValue:
    """What would be lost, in words and numbers; nothing is deleted yet."""
    found = fetch(name)
    try:
        lost = current_platform().subscriptions.deletion(name)
    except Conflict as conflict:
        say(str(conflict), "error")
        return go(f"/subscriptions/{words.segment(name)}")
    return render_template("delete.html", subscription=found, lost=lost)


@blueprint.post("/subscriptions/<path:name>/delete")
@requires("operator")
def delete_subscription(name: str) -> ResponseReturnValue:
    if field("sure") != "yes":
        raise Refused(f"{name} was not deleted: tick the sentence that says what is lost first.")
    done = act(
        f"{name} is deleted. Its dead letters and all events stay.",
        current_platform().subscriptions.delete, name, current_actor(),
    )  # fmt: skip
    return go("/subscriptions" if done else f"/subscriptions/{words.segment(name)}")


def form() -> str:
    known = sorted({row["type"] for row in current_platform().schemas.all()})
    given: dict[str, Any] = request.form.to_dict()
    return render_template("webhook.html", given=given, known=known)


def types() -> list[str]:
    """The types of the form's field, separated by spaces, commas or lines."""
    return field("types").replace(",", " ").split()
