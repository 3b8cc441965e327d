"""A column's values at a glance, in 96 by 24 pixels: numbers in bins, or the most common texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from web.drawing.svg import tag

WIDTH, HEIGHT = 96.0, 24.0
SLOTS = 12


def of_column(column: Mapping[str, Any]) -> Markup:
    """The drawing for a column of a report; nothing where it has neither bins nor bars."""
    if column.get("histogram"):
        low, high = column["min"], column["max"]
        return bars(column["histogram"], f"From {low:g} to {high:g}", "in")
    if column.get("bars"):
        return bars(column["bars"], "The most common values", "done", SLOTS)
    return Markup("")


def bars(counts: Sequence[int], label: str, series: str, slots: int = 0) -> Markup:
    """One bar for each count, on a common base line."""
    top = max([*counts, 1])
    step = WIDTH / max(len(counts), slots)
    drawn = []
    for i, count in enumerate(counts):
        if count:
            height = max(1.0, count / top * (HEIGHT - 2))
            drawn.append(
                tag(
                    "rect",
                    tag("title", f"{count:,}"),
                    x=i * step + 0.5,
                    y=HEIGHT - height,
                    width=step - 1,
                    height=height,
                    class_="bar",
                )
            )
    base = tag("line", x1=0, y1=HEIGHT - 0.5, x2=WIDTH, y2=HEIGHT - 0.5, class_="base")
    return tag(
        "svg",
        *drawn,
        base,
        class_=f"histogram s-{series}",
        viewBox=f"0 0 {WIDTH:.0f} {HEIGHT:.0f}",
        role="img",
        aria_label=label,
    )
