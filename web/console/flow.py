"""The pipeline of the whole system as a graph, with what flows on each line, and who is missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from flask import render_template
from flask.typing import ResponseReturnValue

from app.events.topics import RESERVED, SYSTEM_TOPIC
from web.auth import requires
from web.console import words
from web.console.figures import edge_text, load_text
from web.console.overview import link, loads_of, note, snapshot
from web.console.pages import blueprint
from web.console.recent import recent
from web.drawing import flow, graph
from web.platform import current_platform

Row = Mapping[str, Any]
OURS = RESERVED | {
    "alert.raised", "alert.resolved", "dataset.progressed", "training.progressed", "batch.progressed",
}  # fmt: skip
"""Types that Penstock publishes whether anybody takes them or not."""


@blueprint.get("/flow")
@requires("viewer")
def whole_flow() -> ResponseReturnValue:
    platform = current_platform()
    shot = recent("overview", snapshot)
    loads = loads_of(shot)
    lanes = {
        lane for worker in platform.workers.list() if worker.get("alive", True)
        for lane in worker["lanes"]
    }  # fmt: skip
    unhandled = [s for s in shot.subscriptions if s["lane"] not in lanes]
    picture = flow.flow(shot.subscriptions, loads, edge_text, note, link)
    nodes, edges = marked(picture, shot.subscriptions, unhandled)
    return render_template(
        "flow.html",
        graph=graph.draw(nodes, edges, "Flow of events through all subscriptions"),
        steps=flow.layers(nodes, edges),
        everywhere=picture.everywhere,
        own=picture.own,
        unhandled=unhandled,
        unconsumed=unconsumed(platform.topics.list(), shot.subscriptions),
        lines=lines(shot.subscriptions, loads),
        load_text=load_text,
    )


def marked(
    picture: flow.Flow, subscriptions: Sequence[Row], unhandled: Sequence[Row]
) -> tuple[list[graph.Node], list[graph.Edge]]:
    """The picture with failures on its lines, and what nobody handles said in its box."""
    nobody = {s["name"] for s in unhandled}
    rows = {s["name"]: s for s in subscriptions}
    nodes = [
        replace(node, note=f"no worker in {rows[node.id]['lane']}", state="failing")
        if node.id in nobody
        else node
        for node in picture.nodes
    ]
    edges = []
    for edge in picture.edges:
        target = rows.get(edge.target)
        failed = target["recent"]["failed"] if target else 0
        said = [edge.label] if edge.label else []
        if failed:
            said.append(f"{failed:,} failed")
        if target and target["oldest"] and target["state"] == "late":
            said.append(f"{words.span(target['oldest'])} behind")
        state = target["state"] if target and target["state"] in ("failing", "late") else edge.state
        edges.append(replace(edge, label=", ".join(said), state=state))
    return nodes, edges


def unconsumed(topics: Sequence[Row], subscriptions: Sequence[Row]) -> list[dict[str, str]]:
    """Types that were published and that no subscription takes by name.

    Those that a handler says it emits are left out: the graph has them, as where it ends.
    """
    drawn = {type_ for s in subscriptions for type_ in (*s["types"], *s["emits"])}
    return [
        {"topic": topic["name"], "type": type_}
        for topic in topics
        if topic["name"] != SYSTEM_TOPIC
        for type_ in topic["types"]
        if type_ not in drawn and type_ not in OURS
    ]


def lines(subscriptions: Sequence[Row], loads: Mapping[str, flow.Load]) -> list[dict[str, Any]]:
    """Each way from a type to a subscription, with its numbers; the graph's table."""
    return [
        {"type": type_, "subscription": s, "load": loads[s["name"]]}
        for s in subscriptions
        for type_ in s["types"]
    ]
