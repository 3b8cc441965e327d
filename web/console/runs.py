"""Runs, and one run: where it stopped, what caused what, where the time went."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from flask import render_template
from flask.typing import ResponseReturnValue

from app.domain.progress import under_way
from app.errors import NotFound
from web.auth import current_actor, requires
from web.console import own_writes, run_past, words
from web.console.alike import folded
from web.console.pages import act, blueprint, chosen, field, go, now, since, text_filter
from web.console.run_steps import waits_for
from web.drawing import causation, graph, waterfall
from web.drawing.svg import clip
from web.platform import current_platform

STATES = ("running", "waiting", "succeeded", "failed", "cancelled")
MOST_ROWS = 200
MOST_LETTERS = 600
Step = Mapping[str, Any]


@blueprint.get("/runs")
@requires("viewer")
def runs() -> ResponseReturnValue:
    window = chosen("since", "all")
    runs = current_platform().runs
    page = runs.find(
        **{name: text_filter(name) for name in ("state", "type", "q", "key", "data", "until")},
        since=since(window),
        limit=50,
        cursor=text_filter("cursor"),
    )
    names = ("state", "type", "q", "key", "data", "until", "cursor")
    return render_template(
        "runs.html",
        page=page,
        states=(*STATES, "stuck"),
        since=window,
        filtered=any(map(chosen, names)) or window != "all",
        stuck=[] if chosen("state") == "stuck" else runs.stuck(),
    )


@blueprint.post("/runs/<path:correlationid>/cancel")
@requires("operator")
def cancel_run(correlationid: str) -> ResponseReturnValue:
    act(
        "The run is cancelled; what is at work in it stops within seconds.",
        current_platform().models.cancel, correlationid, current_actor(), field("reason"),
    )  # fmt: skip
    return go(f"/runs/{words.segment(correlationid)}")


@blueprint.get("/runs/<path:correlationid>")
@requires("viewer")
def run(correlationid: str) -> ResponseReturnValue:
    platform = current_platform()
    found = platform.runs.get(correlationid)
    if found is None:
        if late := own_writes.late():
            return own_writes.not_yet_page(late)
        raise NotFound(
            f"There is no run {correlationid!r}. A run appears within seconds of its first event; "
            "look again, or search for the event."
        )
    found, place = run_past.asked(found)
    if place.at is None:
        found["steps"] = at_work(found["steps"])
    steps = found["steps"]
    subscriptions = platform.subscriptions.list()
    emits = {s["name"]: s["emits"] for s in subscriptions}
    events = platform.archive.find(correlationid=correlationid, limit=1000).items
    letters = [] if place.at else platform.dead_letters.of_run(correlationid)
    parked = {(x["event"]["id"], x["subscription"]): x for x in letters}
    shown = folded(steps)
    nodes, edges = causation.causation(
        shown, emits, note, link, {key: letter["id"] for key, letter in parked.items()}
    )
    label = f"What caused what in the run of {root_of(found)}"
    ordered = causation.tree(shown)
    nodes = to_steps(nodes, ordered)
    marks, rows = where_time_went(found, ordered)
    page = render_template(
        "run.html",
        run=found,
        place=place,
        sentence=sentence(found, now(), refusal(found, events)),
        progress=None if place.at else under_way(platform.archive, correlationid),
        root=root_of(found),
        events=list({s["event"]: s for s in steps}),
        graph=graph.draw(nodes, edges, label),
        upright=graph.draw(nodes, edges, label, "topbottom") if narrow(nodes, edges) else None,
        marks=marks,
        rows=rows[:MOST_ROWS],
        more=max(0, len(rows) - MOST_ROWS),
        steps=ordered[:MOST_ROWS],
        data={event["id"]: event for event in events},
        parked=parked,
        waits=[] if place.at else waits_for(steps, subscriptions, platform.workers.list()),
        caused=caused(shown),
        opened=chosen("step"),
        now=now(),
    )
    return (page, 422) if place.problem else page


def at_work(steps: Sequence[Step]) -> list[dict[str, Any]]:
    """The steps, with those that a worker handles right now as running: no record says so yet.

    Workers name what they have in hand by its position in its topic.
    """
    platform = current_platform()
    hands = {
        (slot["subscription"], slot["event"]): slot["since"]
        for worker in platform.workers.list()
        for slot in worker["slots"]
    }
    busy = {subscription for subscription, _ in hands}
    found = []
    for step in steps:
        began = None
        if step["state"] in ("waiting", "retrying") and step["subscription"] in busy:
            kept = platform.archive.get(step["event"])
            began = hands.get((step["subscription"], kept["position"])) if kept else None
        running = {"state": "running", "started": began, "ended": None} if began else {}
        found.append({**step, **running})
    return found


def to_steps(nodes: Sequence[graph.Node], ordered: Sequence[tuple[int, Step]]) -> list[graph.Node]:
    """The nodes, each leading to its step on the page; a dead letter leads to its own page."""
    places: dict[str, int] = {}
    for number, (_, step) in enumerate(ordered[:MOST_ROWS], 1):
        places.setdefault(f"event:{step['event']}", number)
        places.setdefault(f"{step['event']}>{step['subscription']}", number)
    return [
        replace(node, href=f"?step={places[node.id]}#step-{places[node.id]}")
        if node.id in places
        else node
        for node in nodes
    ]


def caused(steps: Sequence[Step]) -> dict[str, list[Step]]:
    """The events that each event caused, each once."""
    found: dict[str, dict[str, Step]] = {}
    for step in steps:
        if step["causationid"]:
            found.setdefault(step["causationid"], {}).setdefault(step["event"], step)
    return {cause: list(events.values()) for cause, events in found.items()}


def root_of(run: Mapping[str, Any]) -> str:
    """The run's name for people: its root's type, or what its subject says."""
    steps = run["steps"]
    return str(run.get("type") or (steps[0]["type"] if steps else "run"))


def narrow(nodes: Sequence[graph.Node], edges: Sequence[graph.Edge]) -> bool:
    places = graph.arrange(nodes, edges, "topbottom")
    return places is not None and places.width <= 372


def link(kind: str, name: str) -> str:
    return {
        "event": f"/events/{words.segment(name)}",
        "subscription": f"/subscriptions/{words.segment(name)}",
        "letter": f"/failures/{name}",
    }[kind]


def note(step: Step) -> str:
    took = words.seconds_between(step["started"], step["ended"])
    tries = step["attempts"] or 0
    if step["state"] == "waiting":
        return "waiting"
    parts = [words.plural(tries, "attempt")] if tries > 1 else []
    parts.append(words.span(took) if took is not None else step["state"])
    return " · ".join(parts)


def refusal(run: Mapping[str, Any], events: Sequence[Mapping[str, Any]]) -> str:
    """Why the last event says no, in its own words; nothing where it doesn't."""
    outcome = str(run["outcome"] or "")
    if outcome.rpartition(".")[2] not in words.REFUSALS:
        return ""
    said = next((e.get("data") for e in events if e["type"] == outcome), None)
    reason = said.get("reason") or said.get("reasons") if isinstance(said, Mapping) else None
    told = " ".join(map(str, reason)) if isinstance(reason, list) else str(reason or "")
    return clip(told, MOST_LETTERS)


def sentence(run: Mapping[str, Any], at: datetime, why: str = "") -> str:
    """Where the run stands: what it stopped at, waits for or ended with, and why."""
    steps = run["steps"]
    last = clip(run["outcome"] or "its first event", 60)
    took = words.span(words.seconds_between(run["started"], run["ended"] or at))
    deliveries = [s for s in steps if s["subscription"]]
    parked = [s for s in deliveries if s["state"] in ("parked", "failed")]
    if parked:
        names = list(dict.fromkeys(short(s) for s in parked))
        tries = parked[0]["attempts"]
        after = f" after {words.plural(tries, 'attempt')}" if tries and len(names) == 1 else ""
        cause = f": {words.error_line(parked[0]['error'])}" if parked[0]["error"] else ""
        rest = [s for s in deliveries if s["state"] in ("waiting", "retrying", "running")]
        more = (
            f" {words.plural(len(rest), 'other delivery', 'other deliveries')} still open."
            if rest
            else ""
        )
        return f"Stopped at {words.listed(names)}{after}{cause}.{more}"
    retrying = [s for s in deliveries if s["state"] == "retrying"]
    if retrying:
        tries = words.plural(retrying[0]["attempts"] or 1, "attempt")
        return f"{short(retrying[0])} failed and will be tried again ({tries} so far)."
    busy = [s for s in deliveries if s["state"] in ("running", "started", "open")]
    if busy:
        return f"{shorts(busy)} at work; {took} so far."
    waiting = [s for s in deliveries if s["state"] == "waiting"]
    if waiting:
        return f"Waiting for {shorts(waiting)}; {took} so far."
    if run["state"] == "waiting":
        return f"Waits for a person's decision after {last}; {took} so far."
    if run["state"] == "succeeded":
        return f"Ended with {last} after {took}. {why}".strip()
    if run["state"] == "cancelled":
        return f"Cancelled after {took}; the last event was {last}. {why}".strip()
    return f"Came as far as {last}; {took} so far."


def shorts(steps: Sequence[Step]) -> str:
    """The steps' subscriptions, each once."""
    return words.listed(list(dict.fromkeys(short(step) for step in steps)))


def short(step: Step) -> str:
    return str(step["subscription"]).rsplit(".", 1)[-1]


def where_time_went(
    run: Mapping[str, Any], ordered: Sequence[tuple[int, Step]]
) -> tuple[list[float], list[dict[str, Any]]]:
    """The marks of the time axis, and a row for each step with its track."""
    began = words.moment(run["started"])
    if began is None:
        return [], []
    moments = [words.moment(s[key]) for _, s in ordered for key in ("started", "ended")]
    known = [(m - began).total_seconds() for m in moments if m]
    open_ = run["state"] in ("running", "waiting")
    length = max([*known, (now() - began).total_seconds() if open_ else 0.0, 0.001])
    marks = waterfall.axis(length)
    rows = []
    for depth, step in ordered:
        segments = segments_of(step, began, length)
        rows.append(
            {
                "depth": min(depth, 6),
                "step": step,
                "track": waterfall.row(segments, marks),
                "took": took_of(step),
            }
        )
    return marks, rows


def segments_of(step: Step, began: datetime, length: float) -> list[waterfall.Segment]:
    """Stretches of waiting and working, with each known attempt on its own."""
    published = _from(step.get("published"), began)
    started, ended = _from(step["started"], began), _from(step["ended"], began)
    if not step["subscription"]:
        moments = [_moment_of(one, began) for one in step.get("alike", [step])]
        return [waterfall.Segment("event", at, at, "") for at in moments]
    segments: list[waterfall.Segment] = []
    last = published
    tries = step.get("history") or []
    if step["state"] == "running" and tries:
        tries = [*tries, {"started": step["started"], "ended": None, "state": "succeeded"}]
    for number, each in enumerate(tries, 1):
        start, end = _from(each.get("started"), began), _from(each.get("ended"), began)
        if start is None:
            continue
        if last is not None and start > last:
            pause = "waiting" if number == 1 else "backoff"
            segments.append(waterfall.Segment(pause, last, start))
        kind = "worked" if each.get("state") == "succeeded" else "failed"
        label = f"attempt {number}" if len(tries) > 1 else ""
        segments.append(waterfall.Segment(kind, start, end if end is not None else length, label))
        last = end
    if not tries and started is not None:
        if last is not None and started > last:
            segments.append(waterfall.Segment("waiting", last, started))
        bad = step["state"] in ("parked", "failed", "retrying")
        count = step["attempts"] or 1
        label = f"{count} attempts" if count > 1 else ""
        end = ended if ended is not None else length
        segments.append(waterfall.Segment("failed" if bad else "worked", started, end, label))
        last = end
    if step["state"] in ("waiting", "retrying"):
        pause = "waiting" if step["state"] == "waiting" else "backoff"
        segments.append(waterfall.Segment(pause, last or 0.0, length))
    return segments


def _moment_of(event: Step, began: datetime) -> float:
    """When an event came that nobody took, in seconds since the run began."""
    known = [_from(event.get(key), began) for key in ("published", "started", "ended")]
    return next((at for at in known if at is not None), 0.0)


def _from(value: words.Moment, began: datetime) -> float | None:
    at = words.moment(value)
    return (at - began).total_seconds() if at else None


def took_of(step: Step) -> str:
    if not step["subscription"]:
        return words.plural(len(step["alike"]), "event") if "alike" in step else "event"
    if step["state"] == "waiting":
        return "waiting"
    took = words.seconds_between(step["started"], step["ended"])
    tries = step["attempts"] or 0
    many = f"{tries} attempts, " if tries > 1 else ""
    if step["state"] in ("parked", "retrying", "cancelled"):
        return f"{many}{step['state']}"
    return f"{many}{words.span(took) if took is not None else step['state']}"
