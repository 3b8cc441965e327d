"""Projections: what is built from the events, how far it is, and an operator's hand on it."""

from __future__ import annotations

from typing import Any

from flask import redirect, render_template
from flask.typing import ResponseReturnValue

from app.cqrs.declaration import is_ours
from web.auth import current_actor, requires
from web.console import words
from web.console.as_of import ask
from web.console.pages import act, back, blueprint, field, go
from web.places import may
from web.platform import current_platform

DONE = {
    "pause": "{name} is paused: its tables stay as they are until it is resumed.",
    "resume": "{name} goes on.",
    "skip": "{name} goes on behind the event that stopped it, which is noted as left out.",
    "rebuild": "{name} is built anew beside the live tables, and takes their place when it has caught up.",
    "cancel": "The build beside {name} is cancelled, and its tables are gone.",
    "reset": "{name} is empty, and fills again from the first event.",
}
KEEPS = {
    "runs": "runs, their steps and figures, as these pages show them",
    "penstock.archive": "every event, and the runs and deliveries that it begins",
    "penstock.projector": "what became of deliveries: runs, dead letters, figures",
}


@blueprint.get("/projections")
@requires("viewer")
def projections() -> ResponseReturnValue:
    platform = current_platform()
    rows = platform.projections.all()
    return render_template(
        "projections.html",
        followers=[row for row in rows if row["kind"] != "console"],
        ours=[row for row in rows if row["kind"] == "console"],
        owner=platform.projections.owner(),
        keeps=KEEPS,
        held=platform.outgoing.status(),
    )


@blueprint.get("/projections/<path:name>")
@requires("viewer")
def projection(name: str) -> ResponseReturnValue:
    """One of them: how far it is, what stopped it or was left out, and the build beside it."""
    platform = current_platform()
    if is_ours(name):
        return redirect("/projections")  # there is all that can be told of them
    told = platform.projections.get(name)
    return render_template(
        "projection.html",
        projection=told,
        newer=platform.projections.newer(name) if may("operator") and _is_older(told) else None,
        owner=platform.projections.owner(),
        deeds=deeds(name) if may("operator") else [],
    )


def _is_older(told: dict[str, Any]) -> bool:
    """Whether it waits for newer code at an event."""
    builds = (told, told["building"] or {})
    return any(one.get("older_code") and one.get("stopped_by") for one in builds)


def deeds(name: str) -> list[dict[str, Any]]:
    """What people did to it last: who, what, when and why. From where is for administrators to see.

    What was only asked (its rows as of an earlier moment) changed nothing, and would fill the list.
    """
    target = f"projection:{name}"
    lines = current_platform().audit.find(target=target, without="projection.asked", limit=5).items
    return [
        {
            "at": line["at"],
            "actor": line["actor"],
            "did": line["action"].rpartition(".")[2],
            "reason": (line["details"] or {}).get("reason"),
        }
        for line in lines
    ]


@blueprint.post("/projections/<path:name>/<any(pause, resume, skip, rebuild, cancel, reset):what>")
@requires("operator")
def steer_projection(name: str, what: str) -> ResponseReturnValue:
    do = getattr(current_platform().projections, what)
    act(DONE[what].format(name=name), do, name, current_actor(), field("reason"))
    return go(back(f"/projections/{words.segment(name)}"))


@blueprint.post("/projections/<path:name>/skip-newer")
@requires("operator")
def skip_newer(name: str) -> ResponseReturnValue:
    """Up to the position to which the page counted them."""
    until = field("until")
    done = f"{name} goes on, and leaves out what only newer code reads: each is noted as left out."
    do = current_platform().projections.skip_newer
    act(done, do, name, current_actor(), field("reason"), int(until) if until.isdecimal() else None)
    return go(back(f"/projections/{words.segment(name)}"))


@blueprint.post("/projections/<path:name>/remove")
@requires("operator")
def remove_projection(name: str) -> ResponseReturnValue:
    done = f"{name} is removed, with its tables that no other projection keeps."
    do = current_platform().projections.remove
    removed = act(done, do, name, current_actor(), field("reason"))
    return go("/projections" if removed else f"/projections/{words.segment(name)}")


@blueprint.post("/projections/<path:name>/as-of")
@requires("operator")
def ask_projection(name: str) -> ResponseReturnValue:
    """Have a worker build its rows as of a time or a position."""
    page = f"/projections/{words.segment(name)}"
    return ask(current_platform().projections_as_of, name, page)


@blueprint.get("/projections/<path:name>/as-of/<id>")
@requires("operator")
def projection_as_of(name: str, id: str) -> ResponseReturnValue:
    """Its rows then, beside those of now."""
    told = current_platform().projections_as_of.answer(id, name)
    return render_template("projection-as-of.html", told=told)
