"""The pipeline as a graph, derived from what subscriptions consume and emit.

A type that nobody of ours emits is a source, one that nobody consumes is an
end; both are pills. What lies between two handlers is the line between them.
Subscriptions to everything (`*`) would connect with all and say nothing: they
are left out, and so are Penstock's own while they are well, for an operator looks
for the pipeline's. The page names both below.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from web.drawing.graph import Edge, Node

OURS = "penstock."
DEADLINE = "deadline.passed"
"""Comes to each join and process from itself: drawn, it would tie all of them together."""


@dataclass(frozen=True)
class Load:
    """What a subscription handles now: events a second, seconds before handling, and how many."""

    rate: float = 0.0
    wait: float = 0.0
    done: int = 0


@dataclass(frozen=True)
class Flow:
    """The graph, and what it leaves out: subscriptions to everything, and our own that are well."""

    nodes: list[Node]
    edges: list[Edge]
    everywhere: list[str]
    own: list[str]


def short_names(names: Sequence[str]) -> dict[str, str]:
    """The function's name, with its module's where two functions share a name."""
    last = [name.rsplit(".", 1)[-1] for name in names]
    return {
        name: (".".join(name.split(".")[-2:]) if last.count(name.rsplit(".", 1)[-1]) > 1 else short)
        for name, short in zip(names, last, strict=True)
    }


def flow(
    subscriptions: Sequence[Mapping[str, Any]],
    loads: Mapping[str, Load],
    write_rate: Callable[[float], str],
    note: Callable[[Mapping[str, Any], Load], str],
    link: Callable[[str, str], str],
) -> Flow:
    """The graph of these subscriptions. `link(kind, name)` makes an address."""
    everywhere = [s["name"] for s in subscriptions if "*" in s["types"]]
    drawn_types = {s["name"]: [t for t in s["types"] if t != DEADLINE] for s in subscriptions}
    own = [s["name"] for s in subscriptions if "*" not in s["types"] and is_quietly_ours(s)]
    drawn = [s for s in subscriptions if s["name"] not in {*everywhere, *own}]
    names = short_names([s["name"] for s in drawn])
    producers: dict[str, list[str]] = {}
    consumers: dict[str, list[str]] = {}
    for each in drawn:
        for type_ in each["emits"]:
            producers.setdefault(type_, []).append(each["name"])
        for type_ in drawn_types[each["name"]]:
            consumers.setdefault(type_, []).append(each["name"])
    states = {s["name"]: s["state"] for s in drawn}
    busiest = max([load.rate for load in loads.values()] or [0.0]) or 1.0
    nodes: list[Node] = []
    joined: dict[tuple[str, str], list[str]] = {}
    for type_ in consumers:
        if type_ not in producers:
            nodes.append(_pill(type_, "source", link))
            for name in consumers[type_]:
                joined.setdefault((f"type:{type_}", name), []).append(type_)
        for producer in producers.get(type_, []):
            for name in consumers[type_]:
                joined.setdefault((producer, name), []).append(type_)
    for each in drawn:
        load = loads.get(each["name"], Load())
        nodes.append(
            Node(
                each["name"],
                "subscription",
                names[each["name"]],
                note(each, load),
                each["state"],
                link("subscription", each["name"]),
                each["name"],
            )
        )
    for type_, makers in producers.items():
        if type_ not in consumers:
            nodes.append(_pill(type_, "end", link))
            for maker in makers:
                joined.setdefault((maker, f"type:{type_}"), []).append(type_)
    into = {target: sum(1 for pair in joined if pair[1] == target) for _, target in joined}
    edges = []
    for (source, target), types in joined.items():
        rate = loads.get(target, Load()).rate if into[target] == 1 else 0.0
        paused = states.get(target) == "paused"
        edges.append(
            Edge(
                source,
                target,
                "paused" if paused else "flowing" if rate > 0 else "healthy",
                write_rate(rate) if rate > 0 else "",
                rate / busiest,
                ", ".join(types),
            )
        )
    _add_parked(nodes, edges, drawn, link)
    return Flow(nodes, edges, everywhere, own)


def is_quietly_ours(subscription: Mapping[str, Any]) -> bool:
    """Whether it is one of Penstock's own, about which there is nothing to say."""
    ours = subscription["name"].startswith(OURS)
    return ours and subscription["state"] == "healthy" and not subscription["parked"]


def _pill(type_: str, note: str, link: Callable[[str, str], str]) -> Node:
    return Node(f"type:{type_}", "type", type_, note, "event", link("type", type_), type_)


def _add_parked(
    nodes: list[Node],
    edges: list[Edge],
    subscriptions: Sequence[Mapping[str, Any]],
    link: Callable[[str, str], str],
) -> None:
    """Each beside its own: one for all would tie every pipeline to every other, far to the right."""
    for each in subscriptions:
        if each["parked"]:
            name, title = f"parked:{each['name']}", f"{each['parked']:,} parked"
            place = link("parked", each["name"])
            nodes.append(Node(name, "parked", title, "wait for a decision", "parked", place))
            edges.append(Edge(each["name"], name, "parked", "", 0.2, title))


def layers(nodes: Sequence[Node], edges: Sequence[Edge]) -> list[list[Node]]:
    """The same graph as steps for a narrow screen: each node after all that lead to it."""
    depth = {node.id: 0 for node in nodes}
    for _ in range(len(nodes)):
        changed = False
        for edge in edges:
            if depth[edge.target] <= depth[edge.source] < len(nodes):
                depth[edge.target] = depth[edge.source] + 1
                changed = True
        if not changed:
            break
    levels = sorted(set(depth.values()))
    return [[node for node in nodes if depth[node.id] == level] for level in levels]
