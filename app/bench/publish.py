"""`bench publish`: how fast events are accepted, as a share of bare XADD."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

from app.bench import reference
from app.bench.machine import machine
from app.events.event import Event
from app.streams.client import connect

MANY = 20_000
SINGLY = 2_000


def run(rounds: int, fsync: str | None, tell: Callable[[str], None]) -> dict[str, Any]:
    """Rates of `publish_many` against pipelined XADD, and of `publish` against single XADDs."""
    many: list[tuple[float, float]] = []
    single: list[tuple[float, float]] = []
    with machine(fsync) as ours:
        client = connect(ours.server.url)
        publisher = ours.platform.publisher
        stored = [event.to_bytes() for event in _events(MANY)]
        for number in range(rounds):
            against = reference.fill(client, stored)
            events = _events(MANY)
            begun = time.perf_counter()
            for start in range(0, MANY, 1000):
                publisher.publish(events[start : start + 1000])
            many.append((MANY / (time.perf_counter() - begun), against))

            against = reference.add_singly(client, stored[:SINGLY])
            events = _events(SINGLY)
            begun = time.perf_counter()
            for event in events:
                publisher.publish([event])
            single.append((SINGLY / (time.perf_counter() - begun), against))
            client.delete(reference.STREAM)
            tell(
                f"round {number + 1}: many {many[-1][0]:,.0f} of {many[-1][1]:,.0f}/s,"
                f" singly {single[-1][0]:,.0f} of {single[-1][1]:,.0f}/s"
            )
        return {
            "benchmark": "publish",
            **ours.describe(),
            "publish_many": _summary(many, 0.5),
            "publish": _summary(single, 0.5),
        }


def _events(count: int) -> list[Event]:
    return [
        Event(type="made.up", data={"n": n, "text": "x" * 50}, partitionkey=str(n))
        for n in range(count)
    ]


def _summary(pairs: list[tuple[float, float]], goal: float) -> dict[str, float]:
    return {
        "ours": statistics.median(ours for ours, _ in pairs),
        "reference": statistics.median(against for _, against in pairs),
        "ratio": statistics.median(ours / against for ours, against in pairs),
        "goal": goal,
    }
