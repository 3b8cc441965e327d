"""Alerts in words, for events, pages and the command line. Pure."""

from __future__ import annotations

from urllib.parse import quote

from app.alerts.rule import MEASURES


def value_text(measure: str, value: float | None) -> str:
    """`2 min`, `14%` or `25`, as the measure's values are written."""
    if value is None:
        return "unknown"
    kind = MEASURES[measure].kind if measure in MEASURES else "count"
    if kind == "share":
        return f"{value * 100:.0f}%"
    if kind == "count":
        return f"{value:,.0f}"
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if value >= 2 * size:
            return f"{value / size:.0f} {unit}"
    return f"{value:.0f} s"


OVER = {
    "lag": "{} has caught up",
    "failure-share": "no attempt of {} fails any more",
    "dead-letters": "no event of {} is parked any more",
    "stuck-runs": "no run waits for {} any more",
    "silent-topics": "events come in {} again",
    "dead-workers": "no worker has died lately",
    "unserved-lanes": "a live worker serves the lane {} again",
    "stopped-projections": "{} goes on again",
    "relay-lag": "nothing that was committed waits for the relay any more",
    "refused-events": "the topics refuse no committed event any more",
}
"""What is said of a measure that is back at nothing."""


def summary(measure: str, target: str, value: float | None, above: float) -> str:
    """One sentence: what is about whom, how bad it is, and where bad begins."""
    text, limit = value_text(measure, value), f"over {value_text(measure, above)}"
    if value is not None and value <= above:
        limit = f"was {limit}"  # it is up until it has been well for a while
    if value == 0 and measure in OVER:
        return OVER[measure].format(target) + (f" ({limit})" if above else "")
    match measure:
        case "lag":
            return f"{target} is {text} behind ({limit})"
        case "failure-share":
            return f"{text} of the attempts of {target} fail ({limit})"
        case "dead-letters":
            return f"{text} events of {target} are parked ({limit})"
        case "stuck-runs":
            return f"a run waits for {target} since {text} ({limit})"
        case "silent-topics":
            return f"no event in {target} since {text} ({limit})"
        case "dead-workers":
            return f"{text} worker{'' if value == 1 else 's'} died in the last ten minutes"
        case "unserved-lanes":
            return f"no live worker serves the lane {target}"
        case "stopped-projections":
            return f"{target} is stopped or held up, and its rows or its answers get late"
        case "relay-lag":
            return f"what was committed waits for the relay since {text} ({limit})"
        case "refused-events":
            noun = "event" if value == 1 else "events"
            return f"the topics refuse {text} committed {noun}, which no subscription gets"
    return f"{measure} of {target} is {text} ({limit})"


def page(measure: str, target: str) -> str:
    """The console's page on which to look first."""
    name = quote(target, safe="")
    match measure:
        case "dead-letters" | "failure-share":
            return f"/failures?subscription={name}"
        case "lag":
            return f"/subscriptions/{name}"
        case "stuck-runs":
            return "/runs?state=running"
        case "silent-topics":
            return f"/topics/{name}"
        case "stopped-projections":
            return f"/projections/{name}"
        case "relay-lag" | "refused-events":
            return "/outbox"
    return "/workers"
