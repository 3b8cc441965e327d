"""A run's steps in hand: what they wait for, running one again, beside a good run, the whole as a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flask import Response, render_template
from flask.typing import ResponseReturnValue

from app.errors import NotFound
from app.subscriptions.rerun import rerun
from web.auth import current_actor, requires
from web.console import words
from web.console.highlight import as_json
from web.console.pages import blueprint, field, go, say, text_filter
from web.platform import current_platform

Row = Mapping[str, Any]


@blueprint.get("/runs/<path:correlationid>/compare")
@requires("viewer")
def compare_run(correlationid: str) -> ResponseReturnValue:
    """Beside the last run of its kind that succeeded, or the one that the address names."""
    found = current_platform().runs.compare(correlationid, text_filter("with"))
    return render_template("run-compare.html", **found, differences=differences(found["steps"]))


def differences(rows: Sequence[Row]) -> list[str]:
    """For each row in a word or two, what sets the run apart from the other; empty where nothing does."""
    found = []
    for row in rows:
        mine, theirs = row["this"], row["other"]
        if mine is None or theirs is None:
            found.append("only in the other" if mine is None else "only in this one")
        elif mine["state"] != theirs["state"]:
            found.append(f"{mine['state']}, not {theirs['state']}")
        else:
            found.append(_slower(mine["handled"], theirs["handled"]))
    return found


def _slower(mine: float | None, theirs: float | None) -> str:
    if mine is None or theirs is None or mine - theirs < 0.05 or mine < 2 * theirs:
        return ""
    return f"{mine / theirs:,.0f} times as long" if theirs else "took longer"


@blueprint.get("/runs/<path:correlationid>/export")
@requires("viewer")
def export_run(correlationid: str) -> ResponseReturnValue:
    found = current_platform().runs.export(correlationid)
    if found is None:
        raise NotFound(f"There is no run {correlationid!r}: the page Runs lists them.")
    name = "".join(c if c.isalnum() or c in "-._" else "-" for c in correlationid)[:80]
    disposition = f'attachment; filename="run-{name}.json"'
    return Response(
        as_json(found),
        content_type="application/json",
        headers={"Content-Disposition": disposition},
    )


@blueprint.post("/runs/<path:correlationid>/rerun")
@requires("operator")
def rerun_step(correlationid: str) -> ResponseReturnValue:
    id = rerun(
        current_platform(), correlationid, field("event"), field("subscription"),
        current_actor(), field("reason"),
    )  # fmt: skip
    say("The step's event is sent again. This is its replay.")
    return go(f"/replays/{words.segment(id)}")


def waits_for(
    steps: Sequence[Row], subscriptions: Sequence[Row], workers: Sequence[Row]
) -> list[dict[str, Any]]:
    """Each open delivery and why it is not handled yet."""
    known = {row["name"]: row for row in subscriptions}
    lanes = {lane for worker in workers if worker.get("alive", True) for lane in worker["lanes"]}
    return [
        {"step": step, "why": _why(step, known.get(step["subscription"]), lanes)}
        for step in steps
        if step["subscription"] and step["state"] in ("waiting", "retrying")
    ]


def _why(step: Row, subscription: Row | None, lanes: set[str]) -> str:
    if subscription is None or not subscription["active"]:
        return "no worker declares this subscription any more"
    if subscription["paused"]:
        paused = subscription["paused"]
        reason = f": {paused['reason']}" if paused["reason"] else ""
        return f"paused by {words.person(paused['by'])}{reason}"
    if subscription["lane"] not in lanes:
        return f"no worker serves its lane {subscription['lane']}"
    if step["state"] == "retrying":
        attempt = (step["attempts"] or 0) + 1
        return f"attempt {attempt} is due {words.exact(step['due'])}" if step["due"] else "retrying"
    backlog = subscription["backlog"]
    if backlog and backlog > 1:
        return f"it has {words.plural(backlog, 'event')} in front of it"
    return "a free slot will take it"
