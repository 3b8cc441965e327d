"""`bench delivery`: how fast a backlog is handled and settled, as a share of the reference."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from app.bench import reference
from app.bench.machine import Machine, cpu_seconds, machine, own_cpu
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
        stored = [event.to_bytes() for event in made_events(kind, events)]
        environment = {"PENSTOCK_BENCH_KIND": kind}
        worker = ours.start_worker("default", 2, environment=environment)
        if archive:
            ours.start_worker("system", 1, environment=environment)
        client = connect(ours.server.url)
        own, engine = [os.getpid(), ours.server_pid], [worker.pid, ours.server_pid]
        references, done, bare = [], [], []
        for number in range(rounds):
            reference.fill(client, stored)
            used = sum(map(own_cpu, own))
            references.append(reference.drain(client))
            bare.append((sum(map(own_cpu, own)) - used) / events)
            client.delete(reference.STREAM)
            done.append(deliver(ours, kind, events, engine, archive))
            tell(
                f"round {number + 1}: reference {references[-1]:,.0f}/s, ours {done[-1].rate:,.0f}/s"
            )
        ratios = [one.rate / against for one, against in zip(done, references, strict=True)]
        return {
            "benchmark": f"delivery, {kind}",
            **ours.describe(),
            "events": events,
            "reference": statistics.median(references),
            "ours": statistics.median(one.rate for one in done),
            "ratio": statistics.median(ratios),
            "ratios": ratios,
            "goal": GOALS[kind],
            "CPU (microseconds an event)": {
                "reference with its server": statistics.median(bare) * 1e6,
                "ours with its server": statistics.median(one.cpu for one in done) * 1e6,
            },
            "archive caught up after (s)": max(one.behind for one in done) if archive else None,
        }


def made_events(kind: str, count: int) -> list[Event]:
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


class Delivered(NamedTuple):
    """One round: events a second, CPU seconds per event, and how long the archive took beyond it."""

    rate: float
    cpu: float
    behind: float


def deliver(
    ours: Machine, kind: str, events: int, pids: Sequence[int], archive: bool = False
) -> Delivered:
    """Publish a backlog while the gate is shut, open it, and wait until all is settled.

    CPU is that of the processes `pids` and their descendants, while the gate is open.
    """
    name = f"bench.{kind}"
    control = ours.platform.subscriptions
    control.pause(name, "bench")
    if archive:
        control.pause("penstock.archive", "bench")
    stream = publish(ours, kind, events)
    used = sum(map(cpu_seconds, pids))
    begun = time.perf_counter()
    control.resume(name, "bench")
    if archive:
        control.resume("penstock.archive", "bench")
    drained(ours, name, stream)
    taken = time.perf_counter() - begun
    used = sum(map(cpu_seconds, pids)) - used
    if archive:
        drained(ours, "penstock.archive", stream)
    behind = time.perf_counter() - begun - taken
    ours.client.xtrim(stream, maxlen=0, approximate=False)
    return Delivered(events / taken, used / events, behind)


def publish(ours: Machine, kind: str, events: int) -> str:
    """Publish that many events of a kind; the stream that they are in."""
    made = made_events(kind, events)
    for start in range(0, events, 5000):
        ours.platform.publisher.publish(made[start : start + 5000])
    return f"penstock:topic:{kind}:0"


def drained(ours: Machine, name: str, stream: str) -> None:
    """Wait until a subscription has nothing unread and nothing open."""

    def is_drained() -> bool:
        found = backlogs(ours.platform.redis, {name: [f"penstock:again:{name}:0", stream]})[name]
        return found.unread == 0 and found.open == 0

    Machine.wait_for(is_drained, 600, f"{name} to be drained")
