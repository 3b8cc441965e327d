"""A run as it was at a time, from its steps: each knows when it was published, begun, tried and ended. Pure.

What left no trace in the steps can't be told: while a person had to decide, a run reads `running`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.errors import Refused
from app.store.moments import iso, seconds

Told = dict[str, Any]
OPEN = ("waiting", "retrying", "running")


def as_of(run: Mapping[str, Any], at: float) -> Told:
    """The run with the steps that there were, each in the state that it was in; `as_of` says when.

    Raises `Refused` for a time before it began.
    """
    began = seconds(run["started"])
    if began is None or at < began:
        raise Refused(f"The run began at {run['started']}: ask for a time from then on.")
    steps = [_step(step, at) for step in run["steps"] if (seconds(step["published"]) or 0) <= at]
    more = len(steps) < len(run["steps"])
    state = _state(steps, more)
    ends = [end for step in steps if (end := seconds(step["ended"])) is not None]
    return {
        **run,
        "state": state,
        "outcome": steps[-1]["type"] if steps else run["type"],
        "ended": None if state == "running" else iso(max(ends, default=began)),
        "events": len({step["event"] for step in steps}),
        "stuck": False,
        "steps": steps,
        "as_of": iso(at),
    }


def moments(run: Mapping[str, Any]) -> list[str]:
    """When something of it changed, in order."""
    found = {run["started"]}
    for step in run["steps"]:
        found |= {step[name] for name in ("published", "started", "ended")}
        found |= {each[name] for each in step["history"] for name in ("started", "ended")}
    return sorted((each for each in found if each), key=lambda each: seconds(each) or 0.0)


def _state(steps: list[Told], more: bool) -> str:
    states = {step["state"] for step in steps}
    if more or states & set(OPEN):
        return "running"
    if "parked" in states:
        return "failed"
    return "cancelled" if "cancelled" in states else "succeeded"


def _step(step: Mapping[str, Any], at: float) -> Told:
    if step["subscription"] is None:
        return dict(step)
    tries = [each for each in _tries(step) if seconds(each["started"]) <= at]  # type: ignore[operator]
    shown = {**step, "history": [each for each in tries if _over(each, at)], "due": None}
    if not tries:
        cancelled = step["state"] == "cancelled" and _over(step, at)
        if cancelled:
            return shown
        return {**shown, "state": "waiting", "attempts": 0, "started": None, "ended": None,
                "error": None, "worker": None, "replay": None}  # fmt: skip
    last = tries[-1]
    over = _over(last, at)
    settled = over and last["state"] not in OPEN
    return {
        **shown,
        "state": last["state"] if over else "running",
        "attempts": len([each for each in tries if each["generation"] == last["generation"]]),
        "generation": last["generation"],
        "started": tries[0]["started"],
        "ended": last["ended"] if settled else None,
        "error": last["error"] if over else None,
        "replay": step["replay"] if last["generation"] == step["generation"] else None,
    }


def _tries(step: Mapping[str, Any]) -> list[Told]:
    """Every attempt, in order: one that succeeded at once is told by the step alone."""
    tries = [dict(each) for each in step["history"]]
    last = max((each["generation"] for each in tries), default=-1)
    if step["started"] and (not tries or last < step["generation"]):
        names = ("generation", "state", "started", "ended", "error")
        tries.append(
            {"attempt": step["attempts"], "traceback": None, **{n: step[n] for n in names}}
        )
    return sorted(tries, key=lambda each: seconds(each["started"]) or 0.0)


def _over(each: Mapping[str, Any], at: float) -> bool:
    ended = seconds(each["ended"])
    return ended is not None and ended <= at
