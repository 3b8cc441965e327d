"""Points and curves in a square plane: ROC, precision and recall, calibration, residuals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from web.drawing.scale import short
from web.drawing.svg import clip, tag

LEFT, TOP, SIZE = 44.0, 10.0, 220.0
WIDTH, HEIGHT = LEFT + SIZE + 12, TOP + SIZE + 40
COLOURS = 6

Point = tuple[float, float]
Range = tuple[float, float]


@dataclass(frozen=True)
class Curve:
    name: str
    points: Sequence[Point]


def curves(
    title: str, across: str, up: str, lines: Sequence[Curve], *, diagonal: bool, dots: bool = False
) -> Markup:
    """Lines within 0 to 1 on both axes; `diagonal` is what guessing gives, or a perfect fit."""
    unit = (0.0, 1.0)
    parts = [_grid(unit, unit)]
    if diagonal:
        parts.append(_line([(0, 0), (1, 1)], unit, unit, "guess"))
    for number, curve in enumerate(lines):
        series = series_of(number)
        parts.append(_line(curve.points, unit, unit, f"curve {series}"))
        if dots:
            parts.extend(_dots(curve.points, unit, unit, series, 3.5, curve.name))
    return _frame(title, across, up, parts)


def series_of(number: int) -> str:
    """The classes of a curve: colours of its own, and after these the same again, with dashes."""
    return f"c-{number % COLOURS + 1}" + (" again" if number >= COLOURS else "")


def scatter(title: str, across: str, up: str, points: Sequence[Point]) -> Markup:
    """Points around a line at 0."""
    if not points:
        return Markup("")
    x = _range([point[0] for point in points])
    y = _range([point[1] for point in points] + [0.0])
    zero = _line([(x[0], 0.0), (x[1], 0.0)], x, y, "guess")
    return _frame(title, across, up, [_grid(x, y), *_dots(points, x, y, "s-in", 2), zero])


def _frame(title: str, across: str, up: str, parts: Sequence[Markup]) -> Markup:
    return tag(
        "svg",
        *parts,
        tag("text", across, x=LEFT + SIZE / 2, y=HEIGHT - 4, class_="axis"),
        tag(
            "text",
            up,
            x=12,
            y=TOP + SIZE / 2,
            class_="axis",
            transform=f"rotate(-90 12 {TOP + SIZE / 2:g})",
        ),
        class_="plane",
        viewBox=f"0 0 {WIDTH:g} {HEIGHT:g}",
        role="img",
        aria_label=f"{title}: {up} over {across}",
    )


def _grid(x: Range, y: Range) -> Markup:
    parts = []
    for share in (0, 0.5, 1):
        across, up = LEFT + share * SIZE, TOP + (1 - share) * SIZE
        parts.append(tag("line", x1=across, x2=across, y1=TOP, y2=TOP + SIZE, class_="grid"))
        parts.append(tag("line", x1=LEFT, x2=LEFT + SIZE, y1=up, y2=up, class_="grid"))
        anchor = ("start", "middle", "end")[int(share * 2)]
        at_x, at_y = x[0] + share * (x[1] - x[0]), y[0] + share * (y[1] - y[0])
        parts.append(tag("text", short(at_x), x=across, y=TOP + SIZE + 14, text_anchor=anchor))
        parts.append(tag("text", short(at_y), x=LEFT - 4, y=up + 4, text_anchor="end"))
    return tag("g", *parts)


def _line(points: Sequence[Point], x: Range, y: Range, css: str) -> Markup:
    placed = " ".join("{:.1f},{:.1f}".format(*_place(point, x, y)) for point in points)
    return tag("polyline", points=placed, class_=css)


def _dots(
    points: Sequence[Point], x: Range, y: Range, series: str, size: float, name: str = ""
) -> list[Markup]:
    dots = []
    for point in points:
        across, up = _place(point, x, y)
        words = clip(f"{name} {point[0]:.4g}, {point[1]:.4g}".strip(), 60)
        dots.append(
            tag("circle", tag("title", words), cx=across, cy=up, r=size, class_=f"dot {series}")
        )
    return dots


def _place(point: Point, x: Range, y: Range) -> Point:
    return (
        LEFT + (point[0] - x[0]) / ((x[1] - x[0]) or 1.0) * SIZE,
        TOP + (1 - (point[1] - y[0]) / ((y[1] - y[0]) or 1.0)) * SIZE,
    )


def _range(values: Sequence[float]) -> Range:
    low, high = min(values), max(values)
    slack = (high - low) * 0.03 or 1.0
    return low - slack, high + slack
