"""A figure's recent past in 120 by 32 pixels: a line, or bars for things that are counted."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from web.drawing.svg import tag

WIDTH, HEIGHT = 120.0, 32.0


def line(
    values: Sequence[float], label: str, series: str = "in", top: float | None = None
) -> Markup:
    """A line with its area; `top` makes several share one scale."""
    if len(values) < 2:
        values = [0.0, *values, 0.0][-2:]
    top = max(top if top is not None else max(values), 1e-9)
    step = WIDTH / (len(values) - 1)
    points = [(i * step, HEIGHT - 1 - min(v / top, 1) * (HEIGHT - 4)) for i, v in enumerate(values)]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return tag(
        "svg",
        tag("polygon", points=f"0,{HEIGHT:.0f} {path} {WIDTH:.0f},{HEIGHT:.0f}", class_="area"),
        tag("polyline", points=path, class_="line"),
        _dot(*points[-1]),
        class_=f"spark s-{series}",
        viewBox=f"0 0 {WIDTH:.0f} {HEIGHT:.0f}",
        preserveAspectRatio="none",
        role="img",
        aria_label=label,
    )


def bars(values: Sequence[float], label: str, series: str = "fail") -> Markup:
    """Bars over a base line; a value of 0 leaves a gap, so silence is seen as silence."""
    count = max(len(values), 1)
    top = max([*values, 1e-9])
    step = WIDTH / count
    path = ""
    for i, value in enumerate(values):
        if value > 0:
            height = max(value / top * (HEIGHT - 3), 1.5)
            left, width = i * step + step * 0.1, step * 0.8
            path += f"M{left:.2f} {HEIGHT - 1:.0f}v-{height:.2f}h{width:.2f}v{height:.2f}z"
    base = tag("line", x1=0, y1=HEIGHT - 0.5, x2=WIDTH, y2=HEIGHT - 0.5, class_="base")
    return tag(
        "svg",
        tag("path", d=path, class_="bar") if path else None,
        base,
        class_=f"spark bars s-{series}",
        viewBox=f"0 0 {WIDTH:.0f} {HEIGHT:.0f}",
        preserveAspectRatio="none",
        role="img",
        aria_label=label,
    )


def _dot(x: float, y: float) -> Markup:
    """A round dot in a stretched viewport: a line of no length with round ends."""
    return tag("line", x1=x, y1=y, x2=x, y2=y, class_="dot")
