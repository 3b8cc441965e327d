"""The charts of a topic, a subscription or a worker, from what `platform.charted` answers. Pure but for asking."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.store.charted import RANGES
from web.console import words
from web.console.figures import tick
from web.console.pages import chosen
from web.drawing import chart
from web.platform import current_platform

LONG = ("7d", "30d")
DASHES = {"p50": "done", "p95": "wait", "p99": "parked"}
Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Charts:
    """What charts.html shows: the charts, the range that was chosen, and the others."""

    range: str
    ranges: Sequence[str]
    long: bool
    charts: Sequence[chart.Chart]


def charts_of(**whose: str) -> Charts:
    """Charts of one `subscription`, `topic` or `worker`, over the range in the address."""
    range = chosen("range", "1h")
    found = current_platform().charted.over(range, **whose)
    return Charts(range, tuple(RANGES), range in LONG, draw(found["rows"], found["step"]))


def draw(rows: Rows, step: int) -> list[chart.Chart]:
    """Throughput, lag in events and seconds, queueing, handling, failures: on one time axis."""
    times = [at for row in rows if (at := words.moment(row["at"]))]
    known = any(row["in"] is not None for row in rows)
    came = [None if row["in"] is None else row["in"] / step for row in rows]
    flows = [_line("arriving", "in", came, words.rate_text)]
    done = _line("done", "done", [row["done"] / step for row in rows], words.rate_text)
    charts = [chart.lines("Throughput", "per second", times, [*flows, done] if known else [done])]
    if any(row["lag"]["seconds"] is not None for row in rows):
        events = [row["lag"]["events"] for row in rows]
        spans = [row["lag"]["seconds"] for row in rows]
        lag = _line("events", "in", events, words.count)
        age = _line("oldest", "wait", spans, words.span)
        charts.append(chart.lines("Lag in events", "not delivered yet, at worst", times, [lag]))
        charts.append(
            chart.lines("Lag in seconds", "age of the oldest, at worst", times, [age], write=tick)
        )
    charts.append(_percentiles("Queueing time", "before handling", "waited", rows, times))
    charts.append(_percentiles("Handling time", "of an attempt", "worked", rows, times))
    layers = [
        _line(name, name, [float(row[name]) for row in rows], words.count)
        for name in ("parked", "retried")
    ]
    charts.append(chart.stacked("Failures and retries", f"per {words.span(step)}", times, layers))
    return charts


def _percentiles(title: str, what: str, name: str, rows: Rows, times: Any) -> chart.Chart:
    lines = [
        _line(share, css, [row[name][share] for row in rows], words.span)
        for share, css in DASHES.items()
    ]
    return chart.lines(title, f"{what}; a gap where nothing ended", times, lines, write=tick)


def _line(
    name: str, css: str, values: Sequence[float | None], write: Callable[[Any], str]
) -> chart.Series:
    last = values[-1] if values else 0.0
    return chart.Series(name, css, values, words.UNKNOWN if last is None else write(last))
