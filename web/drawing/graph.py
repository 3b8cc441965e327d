"""A graph in layers: nodes with a state, edges that follow right angles.

graphlay finds the places and is asked once for each topology; colours, words
and rates are drawn fresh. What is wider than a page goes on in another row, so
that its letters keep their size. Above `MOST` nodes, or where the layout fails, the
answer is None and the page shows its list of steps instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import graphlay
from markupsafe import Markup

from web.drawing.svg import clip, group, icon, tag

MOST = 100
TALL = 46.0
NARROWEST, WIDEST_NODE = 132.0, 216.0
PAGE = 1356.0  # what a card holds on a screen of 1440
WRAPS = (3.0, 2.5, 2.0, 1.5, 1.0)
LETTER, SMALL_LETTER = 8.2, 7.1  # of a title and a note, in the widest of the usual fonts
STATE_ICONS = {
    "healthy": "circle-check",
    "succeeded": "circle-check",
    "late": "clock",
    "waiting": "clock",
    "running": "circle-dot",
    "failing": "octagon-x",
    "failed": "octagon-x",
    "retrying": "rotate-cw",
    "paused": "circle-pause",
    "parked": "archive",
    "cancelled": "ban",
    "event": "zap",
}


@dataclass(frozen=True)
class Node:
    """A pill for an event type, a box for a subscription, dashed for what is parked."""

    id: str
    kind: str
    title: str
    note: str
    state: str
    href: str | None = None
    full: str = ""


@dataclass(frozen=True)
class Edge:
    """From one node to another; `weight` 0 to 1 is its thickness, `label` stands on it."""

    source: str
    target: str
    state: str = "healthy"
    label: str = ""
    weight: float = 0.3
    title: str = ""


Point = tuple[float, float]


@dataclass(frozen=True)
class Places:
    """Where the layout put things, moved so that the drawing begins at 0, 0."""

    width: float
    height: float
    centres: tuple[Point, ...]
    lines: tuple[tuple[Point, ...], ...]


def draw(
    nodes: Sequence[Node], edges: Sequence[Edge], label: str, direction: str = "leftright"
) -> Markup | None:
    """The drawing, or None where a list serves better."""
    places = arrange(nodes, edges, direction)
    if places is None:
        return None
    drawn = [_edge(edge, line) for edge, line in zip(edges, places.lines, strict=True)]
    drawn += [
        _node(node, centre, wide)
        for node, centre, wide in zip(nodes, places.centres, _widths(nodes, direction), strict=True)
    ]
    return tag(
        "svg",
        *drawn,
        class_=f"graph {direction}",
        viewBox=f"0 0 {places.width:.0f} {places.height:.0f}",
        width=int(places.width),
        height=int(places.height),
        role="group",
        aria_label=label,
    )


def arrange(nodes: Sequence[Node], edges: Sequence[Edge], direction: str) -> Places | None:
    """Places for these nodes and edges, from the cache where the topology is known."""
    if not nodes or len(nodes) > MOST:
        return None
    index = {node.id: number for number, node in enumerate(nodes)}
    pairs = tuple((index[e.source], index[e.target]) for e in edges)
    label = max((len(e.label) for e in edges), default=0)
    widths = _widths(nodes, direction)
    whole = _arrange(widths, pairs, direction, label, 0.0)
    if whole is None or whole.width <= PAGE or direction != "leftright":
        return whole
    for aspect in WRAPS:
        wrapped = _arrange(widths, pairs, direction, label, aspect)
        if wrapped is not None and wrapped.width <= PAGE:
            return wrapped
    return whole


def _widths(nodes: Sequence[Node], direction: str) -> tuple[float, ...]:
    if direction != "leftright":
        return (156.0,) * len(nodes)
    return tuple(
        min(max(round(_inset(node) + 14 + _words(node)), NARROWEST), WIDEST_NODE) for node in nodes
    )


def _words(node: Node) -> float:
    return max(LETTER * _letters(node.title), SMALL_LETTER * _letters(node.note))


def _letters(words: str) -> float:
    """How many usual letters are as wide: `command.given` needs more than `dataset.table`."""
    return len(words) + 0.5 * sum(letter in "mwMW" for letter in words)


def _inset(node: Node) -> float:
    """Where the words begin: a pill has no icon, its shape says that it is an event."""
    return 16.0 if node.kind == "type" else 33.0


@lru_cache(maxsize=256)
def _arrange(
    widths: tuple[float, ...],
    pairs: tuple[tuple[int, int], ...],
    direction: str,
    label: int,
    aspect: float,
) -> Places | None:
    drawing = graphlay.Graph()
    for number, wide in enumerate(widths):
        drawing.node(number, width=wide, height=TALL)
    for source, target in pairs:
        drawing.edge(source, target)
    gap = 34.0 + (6.5 * label if label else 6.0) if direction == "leftright" else 26.0
    options = {
        "direction": direction,
        "spacing": {"layer_gap": gap, "node_gap": 14.0, "dummy_gap": 14.0, "isolated_gap": 18.0},
        "wrap": {"viewport_aspect": aspect},
    }
    try:
        layout = graphlay.layout(drawing, options=options)
    except graphlay.GraphlayError:
        return None
    margin = 4.0
    low, high = layout.bounds["min"], layout.bounds["max"]
    left, upper = low["x"] - margin, low["y"] - margin

    def moved(point: dict[str, float]) -> Point:
        return point["x"] - left, point["y"] - upper

    return Places(
        width=high["x"] - low["x"] + 2 * margin,
        height=high["y"] - low["y"] + 2 * margin,
        centres=tuple(moved(node["center"]) for node in layout.nodes),
        lines=tuple(tuple(moved(p) for p in edge["points"]) for edge in layout.edges),
    )


def _node(node: Node, centre: Point, wide: float) -> Markup:
    x, y = centre[0] - wide / 2, centre[1] - TALL / 2
    pill = node.kind == "type"
    inset = _inset(node)
    room = wide - inset - 12
    title = clip(node.title, int(room / LETTER))
    note = clip(node.note, int(room / SMALL_LETTER))
    inner = group(
        [
            tag("title", f"{node.full or node.title}: {node.state}"),
            tag("rect", x=x, y=y, width=wide, height=TALL, rx=TALL / 2 if pill else 7,
                class_="shape"),
            None if pill else icon(STATE_ICONS.get(node.state, "circle"), x + 10, centre[1] - 8),
            tag("text", title, x=x + inset, y=centre[1] - 3, class_="title"),
            tag("text", note, x=x + inset, y=centre[1] + 13, class_="note"),
        ],
        class_=f"node {node.kind} is-{node.state}",
    )  # fmt: skip
    return tag("a", inner, href=node.href) if node.href else inner


def _edge(edge: Edge, line: Sequence[Point]) -> Markup:
    thickness = 1.5 + 3.5 * min(max(edge.weight, 0.0), 1.0)
    path = rounded(line)
    parts: list[Markup | None] = [
        tag("title", edge.title) if edge.title else None,
        tag("path", d=path, class_="wire", stroke_width=thickness),
        tag("path", d=path, class_="stream") if edge.state == "flowing" else None,
        _arrow(line),
    ]
    if edge.label:
        x, y = _label_place(line)
        parts.append(tag("text", edge.label, x=x, y=y, class_="rate"))
    return group(parts, class_=f"edge is-{edge.state}")


def rounded(line: Sequence[Point], radius: float = 7.0) -> str:
    """A path along the points, with its corners rounded; it ends short of the arrow's tip."""
    if len(line) < 2:
        return ""
    points = list(line)
    points[-1] = _toward(points[-1], points[-2], 5.0)
    path = [f"M{points[0][0]:.1f},{points[0][1]:.1f}"]
    for before, corner, after in zip(points, points[1:], points[2:], strict=False):
        near = min(radius, _length(before, corner) / 2, _length(corner, after) / 2)
        first, second = _toward(corner, before, near), _toward(corner, after, near)
        path.append(f"L{first[0]:.1f},{first[1]:.1f}")
        path.append(f"Q{corner[0]:.1f},{corner[1]:.1f} {second[0]:.1f},{second[1]:.1f}")
    path.append(f"L{points[-1][0]:.1f},{points[-1][1]:.1f}")
    return " ".join(path)


def _arrow(line: Sequence[Point]) -> Markup | None:
    if len(line) < 2:
        return None
    (x, y), before = line[-1], line[-2]
    length = _length(before, (x, y)) or 1.0
    dx, dy = (x - before[0]) / length, (y - before[1]) / length
    back = (x - dx * 8, y - dy * 8)
    points = [
        (x, y),
        (back[0] - dy * 4.5, back[1] + dx * 4.5),
        (back[0] + dy * 4.5, back[1] - dx * 4.5),
    ]
    return tag("polygon", points=" ".join(f"{a:.1f},{b:.1f}" for a, b in points), class_="arrow")


def _label_place(line: Sequence[Point]) -> Point:
    """Above the middle of the longest level part of the line."""
    spans = list(pairwise(line))
    level = [s for s in spans if abs(s[0][1] - s[1][1]) < 1] or spans
    (ax, ay), (bx, by) = max(level, key=lambda s: _length(*s))
    return (ax + bx) / 2, min(ay, by) - 6


def _length(a: Point, b: Point) -> float:
    return float(((a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2) ** 0.5)


def _toward(start: Point, end: Point, distance: float) -> Point:
    length = _length(start, end) or 1.0
    share = min(distance / length, 1.0)
    return start[0] + (end[0] - start[0]) * share, start[1] + (end[1] - start[1]) * share
