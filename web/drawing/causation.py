"""What caused what in one run, as a graph: events are pills, deliveries are boxes.

A step names the event that caused its event, not the subscription that did:
that is the one which handled the cause and declares to emit the type. Where
none does (a reactor published it, or somebody from outside), the line starts
at the event. Commands append events of any type, and declare none of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from app.store.commands import SUBSCRIPTION
from web.drawing.graph import Edge, Node, arrange

WIDEST = 1500.0


def causation(
    steps: Sequence[Mapping[str, Any]],
    emits: Mapping[str, Sequence[str]],
    note: Callable[[Mapping[str, Any]], str],
    link: Callable[[str, str], str],
    parked: Mapping[tuple[str, str], str] | None = None,
) -> tuple[list[Node], list[Edge]]:
    """Nodes and edges; long runs leave out the pills between two boxes."""
    nodes, edges = _whole(steps, emits, note, link, parked or {})
    places = arrange(nodes, edges, "leftright")
    if places is not None and places.width <= WIDEST:
        return nodes, edges
    return _without_middle(nodes, edges)


def _whole(
    steps: Sequence[Mapping[str, Any]],
    emits: Mapping[str, Sequence[str]],
    note: Callable[[Mapping[str, Any]], str],
    link: Callable[[str, str], str],
    parked: Mapping[tuple[str, str], str],
) -> tuple[list[Node], list[Edge]]:
    nodes: dict[str, Node] = {}
    edges: list[Edge] = []
    handled: dict[str, list[str]] = {}
    for step in steps:
        if step["subscription"]:
            handled.setdefault(step["event"], []).append(step["subscription"])
    for step in steps:
        event, name = step["event"], step["subscription"]
        pill = f"event:{event}"
        if pill not in nodes:
            told = f"{len(step['alike'])} times" if "alike" in step else event[-12:]
            nodes[pill] = Node(
                pill, "type", step["type"], told, "event", link("event", event), step["type"]
            )
            cause = step["causationid"]
            if cause and any(other["event"] == cause for other in steps):
                edges.append(Edge(_origin(cause, step["type"], handled, emits), pill))
        if name:
            box = f"{event}>{name}"
            nodes[box] = Node(
                box,
                "subscription",
                name.rsplit(".", 1)[-1],
                note(step),
                step["state"],
                link("subscription", name),
                name,
            )
            edges.append(Edge(pill, box))
            if step["state"] == "parked":
                letter = parked.get((event, name))
                nodes[f"{box}>parked"] = Node(
                    f"{box}>parked",
                    "parked",
                    "dead letter",
                    "1 parked",
                    "parked",
                    link("letter", letter) if letter else None,
                )
                edges.append(Edge(box, f"{box}>parked", "parked"))
    return list(nodes.values()), edges


def _origin(
    cause: str,
    type_: str,
    handled: Mapping[str, Sequence[str]],
    emits: Mapping[str, Sequence[str]],
) -> str:
    names = handled.get(cause, [])
    likely = [name for name in names if type_ in emits.get(name, ())]
    if len(likely) != 1:
        likely = [name for name in names if name == SUBSCRIPTION or name not in emits]
    return f"{cause}>{likely[0]}" if len(likely) == 1 else f"event:{cause}"


def _without_middle(nodes: Sequence[Node], edges: Sequence[Edge]) -> tuple[list[Node], list[Edge]]:
    """Pills with one line in and at least one out become the line itself."""
    kept = list(nodes)
    lines = list(edges)
    for node in nodes:
        if node.kind != "type":
            continue
        into = [e for e in lines if e.target == node.id]
        out = [e for e in lines if e.source == node.id]
        if len(into) == 1 and out and not into[0].source.startswith("event:"):
            kept.remove(node)
            lines = [e for e in lines if node.id not in (e.source, e.target)]
            lines += [Edge(into[0].source, e.target, e.state, title=node.title) for e in out]
    return kept, lines


def tree(steps: Sequence[Mapping[str, Any]]) -> list[tuple[int, Mapping[str, Any]]]:
    """The steps with their depth, each after the one that caused it, in order of time."""
    caused: dict[str | None, list[Mapping[str, Any]]] = {}
    known = {step["event"] for step in steps}
    for step in steps:
        cause = step["causationid"]
        caused.setdefault(cause if cause in known else None, []).append(step)
    ordered: list[tuple[int, Mapping[str, Any]]] = []
    waiting = [(0, step) for step in reversed(caused.get(None, []))]
    opened: set[str] = set()
    while waiting:
        depth, step = waiting.pop()
        ordered.append((depth, step))
        if step["event"] in opened:
            continue
        opened.add(step["event"])
        siblings = [s for d, s in waiting if s["event"] == step["event"] and d == depth]
        for sibling in siblings:
            waiting.remove((depth, sibling))
            ordered.append((depth, sibling))
        waiting += [(depth + 1, s) for s in reversed(caused.get(step["event"], []))]
    return ordered
