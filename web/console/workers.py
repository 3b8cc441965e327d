"""Workers: which processes run, which lanes they serve, what each slot does now; and stopping one."""

from __future__ import annotations

from typing import Any

from flask import render_template
from flask.typing import ResponseReturnValue

from web.auth import current_actor, requires
from web.console import words
from web.console.charted import charts_of
from web.console.pages import act, blueprint, field, go
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
    return render_template(
        "workers.html",
        workers=found,
        unserved=unserved,
        versions=versions(found),
        settled=platform.charted.last_settles(),
    )


def versions(workers: list[dict[str, Any]]) -> dict[str, str]:
    """For each worker its versions in a line, where it told them."""
    return {
        worker["id"]: ", ".join(f"{k} {v}" for k, v in worker.get("versions", {}).items())
        for worker in workers
    }


@blueprint.get("/workers/<id>")
@requires("viewer")
def worker(id: str) -> ResponseReturnValue:
    platform = current_platform()
    found = platform.workers.get(id)
    return render_template(
        "worker.html",
        worker=found,
        versions=versions([found])[id],
        settled=platform.charted.last_settles().get(id),
        charted=charts_of(worker=id),
    )


@blueprint.post("/workers/<id>/stop")
@requires("operator")
def stop_worker(id: str) -> ResponseReturnValue:
    act(
        f"{id} was told to stop. It finishes what it has in hand, gives back the rest, and ends.",
        current_platform().workers.stop, id, current_actor(), field("reason"),
    )  # fmt: skip
    return go(f"/workers#worker-{words.segment(id)}")
