"""The overview's one sentence: what is wrong, since when, why, and what to press. Pure.

The worst thing wins: Penstock itself first, then what fails, which projection is stopped, what is
late, what nobody works on, what is paused, what is parked; and then that all is well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from web.console import words
from web.drawing.flow import short_names

Row = Mapping[str, Any]
NOW, WINDOW = 5, 3  # minutes


@dataclass(frozen=True)
class Action:
    """A link (`get`) or a form that posts; the first one of a verdict is the main one."""

    label: str
    href: str
    method: str = "get"
    icon: str = ""


@dataclass(frozen=True)
class Verdict:
    state: str
    headline: str
    detail: str
    actions: list[Action] = field(default_factory=list)
    command: str = ""
    since: datetime | None = None


def verdict(
    subscriptions: Sequence[Row],
    groups: Sequence[Row],
    health: Row,
    series: Mapping[str, Sequence[Row]],
    events: int,
    stopped: Sequence[Row] = (),
) -> Verdict:
    """The sentence for these readings, all of one moment."""
    active = [s for s in subscriptions if s["active"]]
    names = short_names([s["name"] for s in active])
    by_state = {
        state: [s for s in active if s["state"] == state] for state in ("failing", "late", "paused")
    }
    broken = [part for part in ("redis", "database") if health.get(part, "ok") != "ok"]
    if broken:
        part = broken[0]
        return Verdict(
            "failing",
            f"{part.capitalize()} can't be reached",
            f"{health[part]} Producers are refused until it is back; nothing accepted is lost.",
            command="python -m app doctor",
        )
    if not health.get("workers"):
        waiting = sum(s["backlog"] or 0 for s in active)
        return Verdict(
            "failing" if waiting else "late",
            "No worker is running",
            f"{words.plural(waiting, 'event')} waiting. Events are accepted and kept; "
            "nothing handles them until a worker starts.",
            [Action("Workers", "/workers")],
            "celery -A workers worker",
        )
    if by_state["failing"]:
        return _failing(by_state, groups, series, names, len(active))
    if stopped:
        return _stopped(stopped)
    if by_state["late"]:
        return _late(by_state["late"], names, len(active))
    if not events:
        return Verdict(
            "healthy",
            "Ready, and nothing has flowed yet",
            "Upload a dataset to see the pipeline run, or publish an event of your own:",
            [Action("Upload a dataset", "/datasets", icon="upload")],
            """python -m app publish order.placed '{"amount": 12.5}'""",
        )
    return _calm(by_state["paused"], groups, names, len(active))


def _failing(
    by_state: Mapping[str, list[Row]],
    groups: Sequence[Row],
    series: Mapping[str, Sequence[Row]],
    names: Mapping[str, str],
    total: int,
) -> Verdict:
    worst = max(by_state["failing"], key=lambda s: (s["parked"], s["retrying"]))
    name = names[worst["name"]]
    mine = sorted(
        (g for g in groups if g["subscription"] == worst["name"]), key=lambda g: -g["count"]
    )
    began, share = failing_since(series.get(worst["name"], ()))
    headline = f"{name} is failing"
    if share:
        headline += (
            f": 1 in {max(1, round(1 / share)):,} attempts" if share < 0.9 else ": all attempts"
        )
    parts = []
    if mine:
        cause = words.error_line(mine[0].get("error") or mine[0]["title"])
        parts.append(f"{words.plural(mine[0]['count'], 'event')} parked with {cause}.")
    if worst["retrying"]:
        parts.append(f"{words.plural(worst['retrying'], 'event')} being tried again.")
    others = [f"{names[s['name']]} is failing too." for s in by_state["failing"] if s is not worst]
    late = [
        f"{names[s['name']]} is {words.span(s['oldest'])} behind." for s in by_state["late"][:2]
    ]
    rest = total - len(by_state["failing"]) - len(by_state["late"]) - len(by_state["paused"])
    parts += others[:2] + late
    if rest > 0:
        others_are = "is" if rest == 1 else "are"
        parts.append(f"The other {words.plural(rest, 'subscription')} {others_are} healthy.")
    query = f"?subscription={words.segment(worst['name'])}" + (
        f"&group={mine[0]['id']}" if mine else ""
    )
    return Verdict(
        "failing",
        headline,
        " ".join(parts),
        [
            Action("See failures", f"/failures{query}"),
            Action(
                f"Pause {name}",
                f"/subscriptions/{words.segment(worst['name'])}/pause",
                "post",
                "pause",
            ),
        ],
        since=began,
    )


def failing_since(series: Sequence[Row]) -> tuple[datetime | None, float]:
    """When attempts began to fail as they do now, and the share that failed since then.

    Now is the last five minutes; it began where the share of three minutes first was half of that
    and stayed there. A few failures all day long don't make a stretch that lasts all day.
    """
    rows = sorted(series, key=lambda row: words.iso(row["at"]))
    recent = _share(rows[-NOW:])
    if not recent:
        return None, 0.0
    first = len(rows) - 1
    while first > 0 and _share(rows[max(first - WINDOW, 0) : first]) >= recent / 2:
        first -= 1
    while first > 0 and _share(rows[first - 1 : first]) >= recent / 2:
        first -= 1
    while not rows[first]["failed"] and first < len(rows) - 1:
        first += 1
    return words.moment(rows[first]["at"]), _share(rows[first:])


def _share(rows: Sequence[Row]) -> float:
    failed = sum(row["failed"] for row in rows)
    return failed / max(failed + sum(row["done"] for row in rows), 1)


def _stopped(stopped: Sequence[Row]) -> Verdict:
    one = stopped[0]
    more = len(stopped) - 1
    others = f" {words.plural(more, 'other')} stopped too." if more else ""
    return Verdict(
        "failing",
        f"{one['name']} is stopped",
        f"{one['why']} Its page has the error, and what lets it go on.{others}",
        [Action(f"Open {one['name']}", f"/projections/{words.segment(one['name'])}")],
    )


def _late(late: Sequence[Row], names: Mapping[str, str], total: int) -> Verdict:
    worst = max(late, key=lambda s: s["oldest"] or 0)
    name = names[worst["name"]]
    waiting = worst["backlog"]
    parts = [f"{words.plural(waiting, 'event')} waiting for it." if waiting is not None else ""]
    others = [names[s["name"]] for s in late if s is not worst]
    if others:
        parts.append(f"{words.listed(others)} late too.")
    parts.append("Nothing fails: it gets more than its workers handle. More worker processes help.")
    return Verdict(
        "late",
        f"{name} is {words.span(worst['oldest'])} behind",
        " ".join(part for part in parts if part),
        [
            Action(f"Open {name}", f"/subscriptions/{words.segment(worst['name'])}"),
            Action("Workers", "/workers"),
        ],
    )


def _calm(
    paused: Sequence[Row], groups: Sequence[Row], names: Mapping[str, str], total: int
) -> Verdict:
    parked = sum(g["count"] for g in groups)
    actions = []
    parts = []
    if paused:
        one = paused[0]
        why = one["paused"]["reason"] if one["paused"] else ""
        by = words.person(one["paused"]["by"]) if one["paused"] else ""
        parts.append(f"{names[one['name']]} is paused by {by}{f': {why}' if why else ''}.")
        if len(paused) > 1:
            parts.append(f"{words.plural(len(paused) - 1, 'other')} paused too.")
        actions.append(
            Action(
                f"Resume {names[one['name']]}",
                f"/subscriptions/{words.segment(one['name'])}/resume",
                "post",
                "play",
            )
        )
    if parked:
        causes = words.plural(len(groups), "cause")
        parts.append(
            f"{words.plural(parked, 'event')} parked, of {causes}, waiting for a decision."
        )
        actions.append(Action("See failures", "/failures"))
    running = total - len(paused)
    headline = (
        f"All {words.plural(running, 'subscription')} keep up"
        if not paused
        else f"{words.plural(running, 'subscription')} {'keeps' if running == 1 else 'keep'} up, "
        f"{len(paused)} paused"
    )
    return Verdict("healthy", headline, " ".join(parts) or "Nothing fails, nothing waits.", actions)
