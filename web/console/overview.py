"""The overview: the verdict, four figures, the flow, three charts, and who is worst."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from flask import render_template
from flask.typing import ResponseReturnValue
from markupsafe import Markup

from web.auth import requires
from web.console import words
from web.console.pages import blueprint, now, query
from web.console.recent import recent
from web.console.verdict import Verdict, verdict
from web.drawing import chart, flow, graph, sparkline
from web.platform import current_platform

HOUR = 3600
STEP = 60
BADNESS = {"failing": 0, "late": 1, "retrying": 2, "paused": 3, "healthy": 4}


@dataclass(frozen=True)
class Figure:
    what: str
    value: str
    unit: str
    tail: str
    mood: str
    spark: Markup
    href: str


@dataclass(frozen=True)
class Snapshot:
    """Everything that the page shows, read at one moment, so that its parts agree."""

    at: datetime
    subscriptions: list[dict[str, Any]]
    groups: list[dict[str, Any]]
    health: dict[str, Any]
    total: list[dict[str, Any]]
    each: dict[str, list[dict[str, Any]]]
    deployments: list[dict[str, Any]]
    flowed: bool


@blueprint.get("/")
@requires("viewer")
def overview() -> ResponseReturnValue:
    shot = recent("overview", 1.5, snapshot)
    loads = {name: load(rows) for name, rows in shot.each.items()}
    picture = flow.flow(shot.subscriptions, loads, words.rate_text, note, link)
    return render_template(
        "overview.html",
        verdict=judge(shot),
        figures=figures(shot),
        graph=graph.draw(picture.nodes, picture.edges, "Flow of events through subscriptions"),
        steps=flow.layers(picture.nodes, picture.edges),
        everywhere=picture.everywhere,
        charts=charts(shot),
        subscriptions=worst_first(shot.subscriptions),
        loads=loads,
        failed={name: sum(r["failed"] for r in rows) for name, rows in shot.each.items()},
    )


def snapshot() -> Snapshot:
    platform = current_platform()
    start = now() - timedelta(seconds=HOUR)
    subscriptions = [s for s in platform.subscriptions.list() if s["active"]]
    series = platform.rollups.series
    return Snapshot(
        at=now(),
        subscriptions=subscriptions,
        groups=platform.dead_letters.groups(),
        health=platform.health(),
        total=in_order(series(start, STEP)),
        each={s["name"]: in_order(series(start, STEP, s["name"])) for s in subscriptions},
        deployments=platform.archive.find(type="deployment.finished", since=start, limit=5).items,
        flowed=bool(platform.archive.find(limit=1).items),
    )


def in_order(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Rows of a series, oldest first, without the minute that has only begun."""
    ordered = sorted((dict(row) for row in rows), key=lambda row: words.iso(row["at"]))
    return ordered


def judge(shot: Snapshot) -> Verdict:
    return verdict(shot.subscriptions, shot.groups, shot.health, shot.each, int(shot.flowed))


def load(rows: Sequence[Mapping[str, Any]], minutes: int = 5) -> flow.Load:
    """The rate and the wait of a subscription over its last minutes."""
    last = rows[-minutes:]
    done = sum(row["done"] for row in last)
    waited = [row["waited"] for row in last if row["done"]]
    return flow.Load(done / (minutes * STEP), sum(waited) / len(waited) if waited else 0.0)


def note(subscription: Mapping[str, Any], load: flow.Load) -> str:
    """The second line of a box: what is odd about it, else its rate and wait."""
    if subscription["state"] == "paused":
        return f"paused · {words.count(subscription['backlog'])} waiting"
    if subscription["state"] == "late":
        return f"{words.span(subscription['oldest'])} behind"
    if not load.rate:
        waiting = subscription["backlog"]
        return f"{waiting:,} waiting" if waiting else "quiet"
    return f"{words.rate_text(load.rate)} · {words.span(load.wait)}"


def link(kind: str, name: str) -> str:
    return {
        "subscription": f"/subscriptions/{words.segment(name)}",
        "type": f"/events{query({'type': name})}",
        "parked": "/failures",
    }[kind]


def worst_first(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(
        rows,
        key=lambda s: (BADNESS.get(s["state"], 4), -s["parked"], -(s["oldest"] or 0), s["name"]),
    )


def figures(shot: Snapshot) -> list[Figure]:
    rows = shot.total
    arriving, done = [r["in"] for r in rows], [r["done"] for r in rows]
    failed = [r["failed"] for r in rows]
    top = max([*arriving, *done, 1])
    rate_in, rate_done = load_rate(arriving), load_rate(done)
    behind = sum(s["backlog"] or 0 for s in shot.subscriptions)
    oldest = max(
        (s for s in shot.subscriptions if s["oldest"] and s["state"] != "paused"),
        key=lambda s: s["oldest"],
        default=None,
    )
    parked = sum(g["count"] for g in shot.groups)
    value_in, unit_in = words.rate(rate_in)
    value_done, unit_done = words.rate(rate_done)
    hour = sum(failed)
    return [
        Figure("In", value_in, unit_in, "events arriving", "",
               sparkline.line(arriving, "Events arriving, last hour", "in", top), "/events"),
        Figure("Done", value_done, unit_done,
               f"{words.plural(behind, 'delivery', 'deliveries')} waiting" if behind else "nothing waits",
               "", sparkline.line(done, "Deliveries done, last hour, on the scale of In", "done", top),
               "/runs"),
        Figure("Oldest waiting", words.span(oldest["oldest"] if oldest else 0), "",
               oldest["name"].rsplit(".", 1)[-1] if oldest else "all keep up",
               "is-late" if oldest and oldest["state"] in ("late", "failing") else "",
               sparkline.line([r["waited"] for r in rows],
                              f"Wait before handling, last hour, at most {words.span(max([r['waited'] for r in rows] or [0]))}",
                              "wait"),
               f"/subscriptions/{words.segment(oldest['name'])}" if oldest else "/subscriptions"),
        Figure("Failed", words.count(hour), "",
               f"last hour; {parked:,} parked" if parked else "attempts, last hour",
               "is-failing" if hour else "",
               sparkline.bars(compress(failed, 30), "Failed attempts, last hour"), "/failures"),
    ]  # fmt: skip


def load_rate(values: Sequence[float], minutes: int = 2) -> float:
    """Events a second over the last whole minutes."""
    last = values[-minutes:]
    return sum(last) / (len(last) * STEP) if last else 0.0


def tick(seconds: float) -> str:
    """A span on an axis, where whole seconds have no decimals."""
    return words.span(seconds).replace(".0 s", " s")


def compress(values: Sequence[float], count: int) -> list[float]:
    """The sums of neighbours, so that at most `count` are left."""
    size = max(1, -(-len(values) // count))
    return [sum(values[i : i + size]) for i in range(0, len(values), size)]


def charts(shot: Snapshot) -> list[chart.Chart]:
    times = [at for at in (words.moment(row["at"]) for row in shot.total) if at]
    rows = shot.total
    markers = [
        chart.Marker(at, f"{deployed.get('subject') or 'model'} deployed")
        for deployed in shot.deployments
        if (at := words.moment(deployed["time"]))
    ][:2]

    def series(name: str, css: str, key: str, last: Any, scale: float = 1.0) -> chart.Series:
        values = [row[key] * scale for row in rows]
        return chart.Series(name, css, values, last(values[-1] if values else 0.0))

    per_second = 1 / STEP
    pairs = [
        (
            times[i : i + 2],
            [sum(row[key] for row in rows[i : i + 2]) for key in ("retried", "parked")],
        )
        for i in range(0, len(times), 2)
    ]
    retried = [counts[0] for _, counts in pairs]
    parked = [counts[1] for _, counts in pairs]
    return [
        chart.lines(
            "Throughput",
            "per second",
            times,
            [
                series("arriving", "in", "in", words.rate_text, per_second),
                series("done", "done", "done", words.rate_text, per_second),
            ],
            markers,
        ),
        chart.lines(
            "Wait and work",
            "a delivery's mean",
            times,
            [
                series("waited", "wait", "waited", words.span),
                series("worked", "worked", "worked", words.span),
            ],
            markers,
            tick,
        ),
        chart.stacked(
            "Failures",
            "per two minutes; last hour's sums",
            [pair[0][0] for pair in pairs],
            [
                chart.Series("parked", "parked", parked, words.count(sum(parked))),
                chart.Series("retried", "retried", retried, words.count(sum(retried))),
            ],
            markers,
        ),
    ]
