"""The overview's figures and charts, from rows of `platform.rollups.series`. Pure.

The last row is a minute that has only begun: rates take the seconds that it
has lasted, and a chart leaves it out while that is too short to mean something.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from markupsafe import Markup

from web.console import words
from web.drawing import chart, sparkline
from web.drawing.flow import Load

HOUR = 3600
STEP = 60
SOON = 10.0
BARS = 30
QUARTER = 15
Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Figure:
    """A number with its unit, a remark below it, and its last hour beside it."""

    what: str
    value: str
    unit: str
    tail: str
    mood: str
    spark: Markup
    href: str


def per_second(rows: Rows, key: str, at: datetime, minutes: int = 3) -> float:
    """The rate over the last minutes, the one that has only begun included."""
    last = rows[-minutes:]
    began = words.moment(last[0]["at"]) if last else None
    if began is None:
        return 0.0
    seconds = max((at - began).total_seconds(), SOON)
    return float(sum(row[key] for row in last)) / seconds


def load(rows: Rows, at: datetime, minutes: int = 5) -> Load:
    """The rate and the wait of a subscription over its last minutes."""
    waited = [row["waited"] for row in rows[-minutes:] if row["done"]]
    wait = sum(waited) / len(waited) if waited else 0.0
    done = int(sum(row["done"] for row in rows[-minutes:]))
    return Load(per_second(rows, "done", at, minutes), wait, done)


def load_text(load: Load) -> str:
    """The rate in words; the number itself where it is too small to be a rate."""
    if not load.done:
        return "quiet"
    if load.rate * STEP < 1:
        return f"{load.done} in 5 min"
    return words.rate_text(load.rate)


def edge_text(rate: float) -> str:
    """A line's rate; nothing where there is less than one event a minute."""
    return words.rate_text(rate) if rate * STEP >= 1 else ""


def figures(rows: Rows, subscriptions: Rows, parked: int, at: datetime) -> list[Figure]:
    """In, done, oldest waiting, failed; the first two on one scale."""
    shown = settled(rows, at)
    arriving, done = rates(shown, "in", at), rates(shown, "done", at)
    top = max([*arriving, *done, 1 / STEP])
    return [
        _arriving(rows, arriving, top, at),
        _done(rows, done, top, subscriptions, at),
        _oldest(shown, subscriptions),
        _failed(rows, parked),
    ]


def _arriving(rows: Rows, values: Sequence[float], top: float, at: datetime) -> Figure:
    value, unit = words.rate(per_second(rows, "in", at))
    spark = sparkline.line(values, "Events arriving, last hour", "in", top)
    return Figure("In", value, unit, "events arriving", "", spark, "/events")


def _done(
    rows: Rows, values: Sequence[float], top: float, subscriptions: Rows, at: datetime
) -> Figure:
    value, unit = words.rate(per_second(rows, "done", at))
    behind = sum(s["backlog"] or 0 for s in subscriptions)
    waiting = words.plural(behind, "delivery", "deliveries")
    spark = sparkline.line(values, "Deliveries done, last hour, on the scale of In", "done", top)
    tail = f"{waiting} waiting" if behind else "nothing waits"
    return Figure("Done", value, unit, tail, "", spark, "/runs")


def _oldest(rows: Rows, subscriptions: Rows) -> Figure:
    waiting = [s for s in subscriptions if s["oldest"] and s["state"] != "paused"]
    waits = [row["waited"] for row in rows]
    most = words.span(max(waits, default=0.0))
    spark = sparkline.line(waits, f"Wait before handling, last hour, at most {most}", "wait")
    if not waiting:
        return Figure("Oldest waiting", "0 s", "", "all keep up", "", spark, "/subscriptions")
    worst = max(waiting, key=lambda s: s["oldest"])
    mood = "is-late" if worst["state"] in ("late", "failing") else ""
    name = worst["name"]
    href = f"/subscriptions/{words.segment(name)}"
    tail = name.rsplit(".", 1)[-1]
    return Figure("Oldest waiting", words.span(worst["oldest"]), "", tail, mood, spark, href)


def _failed(rows: Rows, parked: int) -> Figure:
    failed = [row["failed"] for row in rows]
    hour = sum(failed)
    tail = f"last hour; {parked:,} parked" if parked else "attempts, last hour"
    spark = sparkline.bars(compress(failed, BARS), "Failed attempts, last hour")
    return Figure(
        "Failed", words.count(hour), "", tail, "is-failing" if hour else "", spark, "/failures"
    )


def begun(rows: Rows) -> Rows:
    """The last hour; its last quarter where nothing happened before that."""
    quiet = all(not (row["in"] or row["done"] or row["failed"]) for row in rows[:-QUARTER])
    return rows[-QUARTER:] if quiet else rows


def settled(rows: Rows, at: datetime) -> Rows:
    """The rows without the last minute, where that has only just begun."""
    began = words.moment(rows[-1]["at"]) if rows else None
    fresh = began is not None and (at - began).total_seconds() < SOON
    return rows[:-1] if fresh and len(rows) > 1 else rows


def rates(rows: Rows, key: str, at: datetime) -> list[float]:
    """Each minute's events a second; the last one's by the seconds that it has lasted."""
    values = [row[key] / STEP for row in rows]
    began = words.moment(rows[-1]["at"]) if rows else None
    if began is not None:
        lasted = min(max((at - began).total_seconds(), SOON), STEP)
        values[-1] = rows[-1][key] / lasted
    return values


def compress(values: Sequence[float], count: int) -> list[float]:
    """The sums of neighbours, so that at most `count` are left."""
    size = max(1, -(-len(values) // count))
    return [sum(values[i : i + size]) for i in range(0, len(values), size)]


def tick(seconds: float) -> str:
    """A span on an axis, where whole seconds have no decimals."""
    return words.span(seconds).replace(".0 s", " s")


def charts(rows: Rows, deployments: Rows, at: datetime) -> list[chart.Chart]:
    """Throughput, wait and work, failures: on one time axis, with the deployments marked."""
    shown = begun(settled(rows, at))
    times = [moment for row in shown if (moment := words.moment(row["at"]))]
    markers = [
        chart.Marker(moment, f"{event.get('subject') or 'model'} deployed")
        for event in deployments
        if (moment := words.moment(event["time"]))
    ][:2]
    flows = [
        _series("arriving", "in", rates(shown, "in", at), words.rate_text),
        _series("done", "done", rates(shown, "done", at), words.rate_text),
    ]
    ended = [row["done"] or row["failed"] for row in shown]
    spans = [
        _series(name, css, [row[name] if n else None for row, n in zip(shown, ended, strict=True)],
                words.span)
        for name, css in (("waited", "wait"), ("worked", "worked"))
    ]  # fmt: skip
    return [
        chart.lines("Throughput", "per second", times, flows, markers),
        chart.lines(
            "Wait and work",
            "a delivery's mean; a gap where nothing ended",
            times,
            spans,
            markers,
            tick,
        ),
        _failures(shown, times, markers),
    ]


def _series(name: str, css: str, values: Sequence[float | None], write: Any) -> chart.Series:
    last = values[-1] if values else 0.0
    return chart.Series(name, css, values, words.UNKNOWN if last is None else write(last))


def _failures(
    rows: Rows, times: Sequence[datetime], markers: Sequence[chart.Marker]
) -> chart.Chart:
    layers = []
    for name in ("parked", "retried"):
        counts = [sum(row[name] for row in rows[i : i + 2]) for i in range(0, len(rows), 2)]
        layers.append(chart.Series(name, name, counts, words.count(sum(counts))))
    unit = "per two minutes, and their sums"
    return chart.stacked("Failures", unit, times[::2], layers, markers)
