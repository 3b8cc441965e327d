"""Subscriptions: what the code declares, what an operator changed, and the gate itself."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from flask import render_template, request
from flask.typing import ResponseReturnValue

from app.errors import NotFound, Refused
from app.subscriptions.control import CHOICES
from app.subscriptions.rewind_preview import rewind_preview
from web.auth import current_actor, requires
from web.console import changing, words
from web.console.charted import charts_of
from web.console.figures import HOUR, STEP, load, load_text
from web.console.overview import in_order, worst_first
from web.console.pages import act, back, blueprint, chosen, field, go, now, say, since
from web.drawing import sparkline
from web.platform import current_platform

LONG = 5.0
"""Seconds after which a slot's work is what others wait for, and not one of many short ones."""
REWINDS = (
    ("15m", "15 minutes ago"),
    ("1h", "1 hour ago"),
    ("6h", "6 hours ago"),
    ("1d", "1 day ago"),
    ("earliest", "the earliest event kept"),
    ("now", "now: leave out what waits"),
)


@blueprint.get("/subscriptions")
@requires("viewer")
def subscriptions() -> ResponseReturnValue:
    rows = current_platform().subscriptions.list()
    return render_template(
        "subscriptions.html",
        subscriptions=worst_first([s for s in rows if s["active"]]),
        retired=[s for s in rows if not s["active"]],
    )


@blueprint.get("/subscriptions/<path:name>")
@requires("viewer")
def subscription(name: str) -> ResponseReturnValue:
    platform = current_platform()
    found = fetch(name)
    rows = in_order(platform.rollups.series(now() - timedelta(seconds=HOUR), STEP, name))
    return render_template(
        "subscription.html",
        subscription=found,
        now=now(),
        busy=busy_elsewhere(found, platform.workers.list()) if found["state"] == "late" else [],
        rate=load_text(current := load(rows, now())),
        wait=current.wait if current.done else None,
        done=sparkline.line([r["done"] for r in rows], "Deliveries done, last hour", "done"),
        failed=sparkline.bars([r["failed"] for r in rows], "Failed attempts, last hour"),
        done_sum=sum(r["done"] for r in rows),
        failed_sum=sum(r["failed"] for r in rows),
        groups=platform.failures.groups(subscription=name, bars=False),
        settings=settings_of(found),
        charted=charts_of(subscription=name),
        filter_text=changing.shown_filter(found["filter"]),
        lanes=CHOICES["lane"],
        priorities=CHOICES["priority"],
        rewinds=REWINDS,
    )


def busy_elsewhere(row: dict[str, Any], workers: list[dict[str, Any]]) -> list[tuple[str, Any]]:
    """What keeps every slot of a late one's lane, with the start of the longest; else nothing."""
    serving = [w for w in workers if w.get("alive", True) and row["lane"] in w["lanes"]]
    slots = [
        slot
        for worker in serving
        for slot in worker["slots"]
        if slot["subscription"] and (words.seconds_between(slot["since"], now()) or 0) > LONG
    ]
    if not serving or len(slots) < sum(w["concurrency"] or 1 for w in serving):
        return []
    held: dict[str, Any] = {}
    for slot in sorted(slots, key=lambda slot: slot["since"], reverse=True):
        held[slot["subscription"]] = slot["since"]
    return [] if row["name"] in held else sorted(held.items(), key=lambda pair: pair[1])


def fetch(name: str) -> dict[str, Any]:
    found = current_platform().subscriptions.get(name)
    if found is None:
        raise NotFound(f"There is no subscription {name!r}: the page Subscriptions lists them.")
    return dict(found)


def settings_of(row: dict[str, Any]) -> list[dict[str, Any]]:
    """Each setting with what the code says and what holds now."""
    changed = row["changed"]
    lines = []
    for name in (
        "types",
        "filter",
        "lane",
        "priority",
        "concurrency",
        "rate",
        "batch",
        "linger",
        "ordered",
        "timeout",
        "retry",
        "start",
    ):
        if name not in row and name not in changed:
            continue
        current = changed[name]["now"] if name in changed else row[name]
        code = changed[name]["code"] if name in changed else row[name]
        lines.append(
            {
                "name": name,
                "now": written(name, current),
                "code": written(name, code),
                "changed": name in changed,
            }
        )
    return lines


def written(name: str, value: Any) -> str:
    """A setting's value in words."""
    if value is None or value == {} or value == []:
        return "none"
    if name == "batch" and not value:
        return "one at a time"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if name == "rate":
        return f"{value:g} a second"
    if name in ("timeout", "linger") and isinstance(value, (int, float)):
        return words.span(float(value)) if value else "none"
    if name == "retry" and isinstance(value, dict):
        parts = [f"{value['attempts']} attempts"] if "attempts" in value else []
        if "base" in value:
            parts.append(f"first after {words.span(float(value['base']))}")
        if "factor" in value:
            parts.append(f"times {value['factor']:g}")
        if "cap" in value:
            parts.append(f"at most {words.span(float(value['cap']))}")
        return ", ".join(parts)
    if isinstance(value, (list, tuple)):
        return ", ".join(str(each) for each in value)
    if isinstance(value, dict):
        return "; ".join(f"{key} {rest}" for key, rest in value.items())
    return str(value)


@blueprint.post("/subscriptions/<path:name>/pause")
@requires("operator")
def pause_subscription(name: str) -> ResponseReturnValue:
    act(
        f"{name} is paused. Its events wait, and nothing is lost.",
        current_platform().subscriptions.pause, name, current_actor(), field("reason"),
    )  # fmt: skip
    return go(back(f"/subscriptions/{words.segment(name)}"))


@blueprint.post("/subscriptions/<path:name>/resume")
@requires("operator")
def resume_subscription(name: str) -> ResponseReturnValue:
    act(
        f"{name} goes on from where it stopped.",
        current_platform().subscriptions.resume, name, current_actor(),
    )  # fmt: skip
    return go(back(f"/subscriptions/{words.segment(name)}"))


@blueprint.post("/subscriptions/<path:name>/change")
@requires("operator")
def change_subscription(name: str) -> ResponseReturnValue:
    found = fetch(name)
    changes = changing.changes(found, request.form)
    if not changes:
        say("Nothing was different, so nothing was changed.", "warn")
    else:
        act(
            f"{name} now has {' and '.join(f'{k} {written(k, v)}' for k, v in changes.items())}. "
            "Workers take it up within a second, and it survives deploys.",
            current_platform().subscriptions.update, name, changes, current_actor(),
        )  # fmt: skip
    return go(f"/subscriptions/{words.segment(name)}")


@blueprint.get("/subscriptions/<path:name>/rewind")
@requires("operator")
def confirm_rewind(name: str) -> ResponseReturnValue:
    """What a rewind would do, in words, before it is done."""
    found = fetch(name)
    choice = chosen("to", "1h")
    target = rewind_target(choice, chosen("at"))
    start = None if choice in ("earliest", "now") else words.moment(target)
    since_then = words.iso(start) if start else None
    again = None if choice == "now" else rewind_preview(current_platform(), found, since_then)
    return render_template(
        "rewind.html",
        subscription=found,
        to=target,
        choice=choice,
        start=start,
        again=again,
        word=dict(REWINDS).get(choice, "then"),
    )


@blueprint.post("/subscriptions/<path:name>/rewind")
@requires("operator")
def rewind_subscription(name: str) -> ResponseReturnValue:
    if field("sure") != "yes":
        raise Refused(f"{name} was not rewound: tick the sentence that says what it does first.")
    target = field("to")
    act(
        f"{name} goes on from {target}. What was being handled is cut off, and its result is dropped.",
        current_platform().subscriptions.rewind, name, target, current_actor(),
    )  # fmt: skip
    return go(f"/subscriptions/{words.segment(name)}")


def rewind_target(choice: str, at: str) -> str:
    """`earliest`, `now`, or an instant in RFC 3339."""
    if choice in ("earliest", "now"):
        return choice
    start = words.moment(at) if choice == "at" else since(choice)
    if start is None:
        raise Refused(f"{at or choice!r} is not a time: write one as 2026-01-31T14:00Z.")
    return words.iso(start)
