"""The overview: the verdict, four figures, the flow, three charts, and who is worst.

All of it is drawn from one snapshot, which a process takes at most twice a
second, however many consoles look.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from flask import render_template
from flask.typing import ResponseReturnValue

from web.auth import requires
from web.console import words
from web.console.figures import HOUR, STEP, charts, edge_text, figures, load, load_text
from web.console.pages import blueprint, now, query
from web.console.recent import recent
from web.console.verdict import Verdict, verdict
from web.drawing import flow, graph
from web.platform import current_platform

BADNESS = {"failing": 0, "late": 1, "retrying": 2, "paused": 3, "healthy": 4}


@dataclass(frozen=True)
class Snapshot:
    """Everything that the page shows, read at one moment, so that its parts agree."""

    at: datetime
    subscriptions: list[dict[str, Any]]
    groups: list[dict[str, Any]]
    health: dict[str, Any]
    total: list[dict[str, Any]]
    each: dict[str, list[dict[str, Any]]]
    deployments: list[dict[str, Any]]
    flowed: bool
    stuck: list[dict[str, Any]]
    alerts: list[dict[str, Any]]
    stopped: list[dict[str, Any]]


@blueprint.get("/")
@requires("viewer")
def overview() -> ResponseReturnValue:
    shot = recent("overview", snapshot)
    loads = loads_of(shot)
    picture = flow.flow(shot.subscriptions, loads, edge_text, note, link)
    judged = judge(shot)
    return render_template(
        "overview.html",
        verdict=judged,
        alerts=shot.alerts,
        figures=figures(shot.total, shot.subscriptions, parked_in(shot.groups), shot.at),
        graph=graph.draw(picture.nodes, picture.edges, "Flow of events through subscriptions"),
        steps=flow.layers(picture.nodes, picture.edges),
        everywhere=picture.everywhere,
        own=picture.own,
        charts=charts(shot.total, shot.deployments, shot.at),
        subscriptions=worst_first(shot.subscriptions),
        loads=loads,
        load_text=load_text,
        stuck=shot.stuck,
        stopped=[s for s in shot.stopped if judged.headline != f"{s['name']} is stopped"],
        failed={name: sum(r["failed"] for r in rows) for name, rows in shot.each.items()},
    )


def loads_of(shot: Snapshot) -> dict[str, flow.Load]:
    return {name: load(rows, shot.at) for name, rows in shot.each.items()}


def snapshot() -> Snapshot:
    platform = current_platform()
    start = now() - timedelta(seconds=HOUR)
    state = health(platform)
    subscriptions = []
    if state.get("redis") == "ok":  # without it nobody knows who waits for what
        subscriptions = [s for s in platform.subscriptions.list() if s["active"]]
    series = platform.rollups.series
    return Snapshot(
        at=now(),
        subscriptions=subscriptions,
        groups=platform.failures.groups(bars=False),
        health=state,
        total=in_order(series(start, STEP)),
        each={
            name: in_order(rows)
            for name, rows in platform.rollups.each(
                [s["name"] for s in subscriptions], start, STEP
            ).items()
        },
        deployments=platform.archive.find(type="deployment.finished", since=start, limit=5).items,
        flowed=bool(platform.archive.find(limit=1).items),
        stuck=platform.runs.stuck(),
        alerts=platform.alerts.up(),
        stopped=platform.projections.stopped(),
    )


def health(platform: Any) -> dict[str, Any]:
    """How Penstock itself is, with the workers that are alive only."""
    found = dict(platform.health())
    if found.get("redis") == "ok":
        found["workers"] = sum(1 for w in platform.workers.list() if w.get("alive", True))
    return found


def in_order(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Rows of a series, oldest first."""
    return sorted((dict(row) for row in rows), key=lambda row: words.iso(row["at"]))


def judge(shot: Snapshot) -> Verdict:
    return verdict(
        shot.subscriptions, shot.groups, shot.health, shot.each, int(shot.flowed), shot.stopped
    )


def note(subscription: Mapping[str, Any], load: flow.Load) -> str:
    """The second line of a box: what is odd about it, else its rate and wait."""
    if subscription["state"] == "paused":
        waiting = subscription["backlog"]
        return f"paused · {waiting:,} waiting" if waiting is not None else "paused"
    if subscription["state"] == "late":
        return f"{words.span(subscription['oldest'])} behind"
    if not load.done:
        waiting = subscription["backlog"]
        return f"{waiting:,} waiting" if waiting else "quiet"
    return f"{load_text(load)} · {words.span(load.wait)}"


def link(kind: str, name: str) -> str:
    return {
        "subscription": f"/subscriptions/{words.segment(name)}",
        "type": f"/events{query({'type': name})}",
        "parked": f"/failures{query({'subscription': name})}",
    }[kind]


def worst_first(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(
        rows,
        key=lambda s: (BADNESS.get(s["state"], 4), -s["parked"], -(s["oldest"] or 0), s["name"]),
    )


def parked_in(groups: Sequence[Mapping[str, Any]]) -> int:
    return sum(group["count"] for group in groups)
