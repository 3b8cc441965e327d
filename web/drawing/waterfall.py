"""Where a run's time went: one row for each step, waiting drawn apart from working.

Places are shares of the run's length, as percentages, so that the rows fit any
width while their words keep their size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from web.drawing.scale import seconds_ticks
from web.drawing.svg import tag

THINNEST = 0.45


@dataclass(frozen=True)
class Segment:
    """A stretch of a row in seconds from the run's start: `waiting` in the queue, `worked`, `failed`,
    or `backoff`, the wait between two attempts."""

    kind: str
    start: float
    end: float
    label: str = ""


def axis(length: float) -> list[float]:
    """The seconds at which the grid has lines; the last one holds the whole run.

    They are at least a millisecond apart: of less, two would bear the same words.
    """
    return seconds_ticks(max(length, 0.004), 4)


def row(segments: Sequence[Segment], marks: Sequence[float]) -> Markup:
    """One step's track."""
    whole = marks[-1] or 1.0
    grid = [
        tag("line", x1=_percent(m, whole), x2=_percent(m, whole), y1=0, y2="100%", class_="grid")
        for m in marks
    ]
    drawn: list[Markup] = []
    for each in segments:
        start = min(max(each.start / whole * 100, 0.0), 100 - THINNEST)
        width = max((each.end - each.start) / whole * 100, THINNEST)
        width = min(width, 100 - start)
        drawn.append(
            tag(
                "rect",
                tag("title", f"{each.kind}: {each.label or f'{each.end - each.start:.3g} s'}"),
                x=f"{start:.3f}%",
                y=8,
                width=f"{width:.3f}%",
                height=16,
                rx=3,
                class_=each.kind,
            )
        )
        # On a phone the whole label takes a fifth of the track.
        label = each.label if width > 20 else each.label.removeprefix("attempt ")
        if label and width > max(2.5, len(label) * 0.75):
            drawn.append(tag("text", label, x=f"{start:.3f}%", dx=5, y=20.5, class_="try"))
    return tag("svg", *grid, *drawn, class_="track", aria_hidden="true")


def _percent(value: float, whole: float) -> str:
    return f"{value / whole * 100:.3f}%"
