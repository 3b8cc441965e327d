"""A filter tried on the last events of a subscription's types, before anybody saves it. It changes nothing."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import Any

from app.events.event import Event
from app.events.expressions import FilterFailed
from app.events.filters import compile_filter
from app.subscriptions.declaration import EVERYTHING

LOOKED_AT = 1000
SAMPLE = 5


def try_filter(platform: Any, name: str, filter: Any) -> dict[str, Any]:
    """What a filter would let through of the last thousand archived events of its types.

    `looked` at how many, `passed_now` by the filter that holds and `would_pass` by this one; how
    many it would `gain` and `lose`, with samples (`gained`, `lost`); on how many it `failed`, and
    the first `problem`. Raises `Refused` for what is no filter, `NotFound`.
    """
    row = platform.subscriptions.get(name)
    tried, holds = compile_filter(filter), compile_filter(row["filter"])
    counts = {"looked": 0, "passed_now": 0, "would_pass": 0, "gain": 0, "lose": 0, "failed": 0}
    gained: list[dict[str, Any]] = []
    lost: list[dict[str, Any]] = []
    problem = None
    for told in latest(platform, row["types"]):
        event = Event.from_dict(told)
        counts["looked"] += 1
        now, _ = passes(holds, event)
        then, why = passes(tried, event)
        counts["passed_now"] += now
        counts["would_pass"] += then
        counts["failed"] += why is not None
        problem = problem or why
        if then and not now:
            counts["gain"] += 1
            gained += [told][: SAMPLE - len(gained)]
        elif now and not then:
            counts["lose"] += 1
            lost += [told][: SAMPLE - len(lost)]
    return {**counts, "gained": gained, "lost": lost, "problem": problem}


def passes(predicate: Any, event: Event) -> tuple[bool, str | None]:
    """Whether an event passes, and what went wrong: where that does, a worker parks the event."""
    try:
        return predicate is None or bool(predicate(event)), None
    except FilterFailed as error:
        return False, str(error)


def latest(platform: Any, types: Sequence[str], since: Any = None) -> list[dict[str, Any]]:
    """The newest archived events of these types, so many at most as are looked at."""
    wanted = [None] if EVERYTHING in types else types
    found = [event for type in wanted for event in
             platform.archive.find(type=type, since=since, limit=LOOKED_AT).items]  # fmt: skip
    return heapq.nlargest(LOOKED_AT, found, key=lambda event: event["time"])
