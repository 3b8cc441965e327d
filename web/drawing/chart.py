"""Charts over time: lines and stacked bars on one axis, with labels at the line's end.

Three drawings stand side by side: the axis, the plot and the end labels. Only
the plot stretches, so letters keep their size at every width. Every chart
comes with its numbers as rows for a table. A value that isn't known is None: a
line has a gap there, and its table a dash, since 0 would be a number.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from markupsafe import Markup, escape

from web.drawing.scale import seconds_ticks, short, ticks
from web.drawing.svg import tag

HEIGHT = 150.0
TOP = 18.0
UNKNOWN = "–"
PLOT = 1000.0
LABEL = 0.4  # the share of the plot that a marker's label may need


@dataclass(frozen=True)
class Series:
    """A line or a layer of bars: its values, and how its last one is written."""

    name: str
    css: str
    values: Sequence[float | None]
    last: str


@dataclass(frozen=True)
class Marker:
    """Something that happened at a moment, drawn as a dotted line: a deployment, say."""

    at: datetime
    label: str


@dataclass(frozen=True)
class Chart:
    """What a template places: the drawing, and the same numbers as a table, newest first.

    `rows` is called for them, since most pages show none.
    """

    title: str
    unit: str
    drawing: Markup
    head: Sequence[str]
    rows: Callable[[], Sequence[tuple[datetime, Sequence[str]]]]
    first: datetime | None
    middle: datetime | None
    end: datetime | None


def lines(
    title: str,
    unit: str,
    times: Sequence[datetime],
    series: Sequence[Series],
    markers: Sequence[Marker] = (),
    write: Callable[[float], str] | None = None,
) -> Chart:
    """One line for each series; the first has an area below it. With a `write`, values are seconds."""
    top = max([v for s in series for v in s.values if v is not None] or [0.0])
    marks, write = (seconds_ticks(top), write) if write else (ticks(top), short)
    plot = []
    for number, each in enumerate(series):
        for points in _stretches(each.values, marks[-1]):
            path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
            if number == 0:
                area = f"{points[0][0]:.1f},{HEIGHT:.0f} {path} {points[-1][0]:.1f},{HEIGHT:.0f}"
                plot.append(tag("polygon", points=area, class_=f"area s-{each.css}"))
            plot.append(tag("polyline", points=path, class_=f"line s-{each.css}"))
            if len(points) == 1:  # a line of no length is seen by its round ends
                (x, y), dot = points[0], f"dot s-{each.css}"
                plot.append(tag("line", x1=x, y1=y, x2=x, y2=y, class_=dot))
    plot.extend(_hover(times, series, write))
    ends = [(_height((s.values[-1] if s.values else 0.0) or 0.0, marks[-1]), s) for s in series]
    return _chart(title, unit, times, series, marks, plot, ends, markers, write)


def stacked(
    title: str,
    unit: str,
    times: Sequence[datetime],
    series: Sequence[Series],
    markers: Sequence[Marker] = (),
    write: Callable[[float], str] = short,
) -> Chart:
    """Bars, one above the other in the order of the series, the first at the bottom."""
    count = len(times)
    totals = [sum(s.values[i] or 0.0 for s in series) for i in range(count)]
    marks = ticks(max(totals or [0.0]))
    step = PLOT / max(count, 1)
    plot = []
    for i in range(count):
        base = 0.0
        for each in series:
            value = each.values[i] or 0.0
            if value <= 0:
                continue
            upper, lower = _height(base + value, marks[-1]), _height(base, marks[-1])
            height = max(lower - upper - (1 if base else 0), 1.0)
            plot.append(
                tag(
                    "rect",
                    x=i * step + step * 0.08,
                    y=upper,
                    width=step * 0.84,
                    height=height,
                    class_=f"bar s-{each.css}",
                )
            )
            base += value
    plot.extend(_hover(times, series, write))
    ends = [(TOP + 30.0 * number, s) for number, s in enumerate(reversed(series))]
    return _chart(title, unit, times, series, marks, plot, ends, markers, write)


def _chart(
    title: str,
    unit: str,
    times: Sequence[datetime],
    series: Sequence[Series],
    marks: Sequence[float],
    plot: Sequence[Markup],
    ends: Sequence[tuple[float, Series]],
    markers: Sequence[Marker],
    write: Callable[[float], str],
) -> Chart:
    grid = [
        tag(
            "line", x1=0, x2=PLOT, y1=_height(m, marks[-1]), y2=_height(m, marks[-1]), class_="grid"
        )
        for m in marks
    ]
    lines_, labels = _markers(markers, times)
    summary = ", ".join(f"{s.name} {s.last} now" for s in series)
    drawing = tag(
        "div",
        tag(
            "svg",
            *[
                tag("text", write(m), x="100%", dx=-8, y=_height(m, marks[-1]) + 4, class_="tick")
                for m in marks
            ],
            class_="axis",
            aria_hidden="true",
        ),
        tag(
            "div",
            tag(
                "svg",
                *grid,
                *plot,
                *lines_,
                class_="plot",
                viewBox=f"0 0 {PLOT:.0f} {HEIGHT + 2:.0f}",
                preserveAspectRatio="none",
                role="img",
                aria_label=f"{title}, {unit}: {summary}",
            ),
            tag("svg", *labels, class_="marks", aria_hidden="true"),
            class_="plotbox",
        ),
        tag("svg", *_end_labels(ends), class_="ends", aria_hidden="true"),
        class_="chart",
    )

    def rows() -> list[tuple[datetime, list[str]]]:
        told = [(t, [_written(s.values[i], write) for s in series]) for i, t in enumerate(times)]
        return told[::-1]

    return Chart(
        title=title,
        unit=unit,
        drawing=drawing,
        head=[s.name for s in series],
        rows=rows,
        first=times[0] if times else None,
        middle=times[len(times) // 2] if times else None,
        end=times[-1] if times else None,
    )


def _height(value: float, top: float) -> float:
    return TOP + (HEIGHT - TOP) * (1 - min(max(value / top, 0.0), 1.0))


def _stretches(values: Sequence[float | None], top: float) -> list[list[tuple[float, float]]]:
    """The points of a line, in one list for each stretch without a gap."""
    step = PLOT / max(len(values) - 1, 1)
    found: list[list[tuple[float, float]]] = []
    known = False
    for i, value in enumerate(values):
        if value is not None:
            if not known:
                found.append([])
            found[-1].append((i * step, _height(value, top)))
        known = value is not None
    return found


def _written(value: float | None, write: Callable[[float], str]) -> str:
    return UNKNOWN if value is None else write(value)


def _hover(
    times: Sequence[datetime], series: Sequence[Series], write: Callable[[float], str]
) -> list[Markup]:
    """Invisible columns that tell the exact numbers under the pointer."""
    step = PLOT / max(len(times), 1)
    size = f'y="0" width="{step:.2f}" height="{HEIGHT:.0f}" class="hover"'
    columns = []
    for i, time in enumerate(times):
        values = ", ".join(f"{s.name} {_written(s.values[i], write)}" for s in series)
        # Written out, since a page has a thousand of them: numbers of ours, and one escaped text.
        columns.append(
            f'<rect x="{i * step:.2f}" {size}>'
            f"<title>{time.hour:02}:{time.minute:02} UTC: {escape(values)}</title></rect>"
        )
    return [Markup("".join(columns))]


def _end_labels(ends: Sequence[tuple[float, Series]]) -> list[Markup]:
    """The last values beside the lines' ends, pushed apart so that none covers another."""
    drawn: list[Markup] = []
    free = 0.0
    placed = sorted(ends, key=lambda pair: pair[0])
    overflow = max(0.0, (len(placed)) * 30.0 - HEIGHT)
    for number, (height, each) in enumerate(placed):
        room_below = HEIGHT + overflow - 18 - 30.0 * (len(placed) - 1 - number)
        y = max(min(height + 4, room_below), free + 12)
        drawn.append(tag("circle", cx=7, cy=y - 4, r=4, class_=f"end s-{each.css}"))
        drawn.append(tag("text", each.last, x=15, y=y, class_="value"))
        drawn.append(tag("text", each.name, x=15, y=y + 14, class_="name"))
        free = y + 18
    return drawn


def _markers(
    markers: Sequence[Marker], times: Sequence[datetime]
) -> tuple[list[Markup], list[Markup]]:
    if len(times) < 2:
        return [], []
    span = (times[-1] - times[0]).total_seconds() or 1.0
    lines_: list[Markup] = []
    labels: list[Markup] = []
    free = 1.0  # labels come newest first, and none covers another
    for marker in sorted(markers, key=lambda marker: marker.at, reverse=True):
        share = (marker.at - times[0]).total_seconds() / span
        if not 0 <= share <= 1:
            continue
        lines_.append(
            tag("line", x1=share * PLOT, x2=share * PLOT, y1=TOP - 4, y2=HEIGHT, class_="marker")
        )
        if share > free:
            continue
        free = share - LABEL
        anchor = "start" if share < 0.2 else "end" if share > 0.8 else "middle"
        labels.append(tag("text", marker.label, x=f"{share * 100:.1f}%", y=10, text_anchor=anchor))
    return lines_, labels
