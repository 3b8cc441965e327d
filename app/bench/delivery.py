"""`bench delivery`: how fast a backlog is handled and settled, as a share of the reference."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

from app.bench import reference
from app.bench.machine import Machine, machine
from app.events.event import Event
from app.streams.backlog import backlogs
from app.streams.client import connect

GOALS = {"single": 0.5, "batch": 1.0}


def run(
    kind: str,
    events: int,
    rounds: int,
    fsync: str | None,
    tell: Callable[[str], None],
    archive: bool = True,
) -> dict[str, Any]:
    """Rates of a handler of single events or of batches against the reference, in turns."""
    with machine(fsync) as ours:
        stored = [event.to_bytes() for event in _events(kind, events)]
        environment = {"PENSTOCK_BENCH_KIND": kind}
        ours.start_worker("default", 2, environment=environment)
        system = ours.start_worker("system", 1, environment=environment) if archive else None
        client = connect(ours.server.url)
        references, rates, archived = [], [], []
        for number in range(rounds):
            reference.fill(client, stored)
            references.append(reference.drain(client))
            client.delete(reference.STREAM)
            rate, behind = _round(ours, kind, events, system is not None)
            rates.append(rate)
            archived.append(behind)
            tell(f"round {number + 1}: reference {references[-1]:,.0f}/s, ours {rate:,.0f}/s")
        ratios = [rate / against for rate, against in zip(rates, references, strict=True)]
        return {
            "benchmark": f"delivery, {kind}",
            **ours.describe(),
            "events": events,
            "reference": statistics.median(references),
            "ours": statistics.median(rates),
            "ratio": statistics.median(ratios),
            "ratios": ratios,
            "goal": GOALS[kind],
            "archive caught up after (s)": max(archived) if archive else None,
        }


def _events(kind: str, count: int) -> list[Event]:
    now = time.time()
    return [
        Event(
            type=f"{kind}.made",
            data={"n": number, "at": now},
            subject="kept",
            partitionkey=f"key-{number % 50}",
        )
        for number in range(count)
    ]


def _round(ours: Machine, kind: str, events: int, archive: bool) -> tuple[float, float]:
    """Publish a backlog while the gate is shut, open it, and wait until all is settled."""
    name = f"bench.{kind}"
    control = ours.platform.subscriptions
    control.pause(name, "bench")
    if archive:
        control.pause("penstock.archive", "bench")
    made = _events(kind, events)
    for start in range(0, events, 5000):
        ours.platform.publisher.publish(made[start : start + 5000])
    stream = f"penstock:topic:{kind}:0"
    begun = time.perf_counter()
    control.resume(name, "bench")
    if archive:
        control.resume("penstock.archive", "bench")
    _drained(ours, name, stream)
    taken = time.perf_counter() - begun
    if archive:
        _drained(ours, "penstock.archive", stream)
    behind = time.perf_counter() - begun - taken
    ours.client.xtrim(stream, maxlen=0, approximate=False)
    return events / taken, behind


def _drained(ours: Machine, name: str, stream: str) -> None:
    def is_drained() -> bool:
        found = backlogs(ours.platform.redis, {name: [f"penstock:again:{name}:0", stream]})[name]
        return found.unread == 0 and found.open == 0

    Machine.wait_for(is_drained, 600, f"{name} to be drained")
