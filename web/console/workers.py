"""Workers: which processes run, which lanes they serve, and what each slot does now."""

from __future__ import annotations

from flask import render_template
from flask.typing import ResponseReturnValue

from web.auth import requires
from web.console.pages import blueprint
from web.platform import current_platform


@blueprint.get("/workers")
@requires("viewer")
def workers() -> ResponseReturnValue:
    platform = current_platform()
    found = sorted(platform.workers.list(), key=lambda w: not w.get("alive", True))
    subscriptions = [s for s in platform.subscriptions.list() if s["active"]]
    served = {lane for worker in found if worker.get("alive", True) for lane in worker["lanes"]}
    unserved: dict[str, list[str]] = {}
    for each in subscriptions:
        if each["lane"] not in served:
            unserved.setdefault(each["lane"], []).append(each["name"])
    return render_template("workers.html", workers=found, unserved=unserved)
