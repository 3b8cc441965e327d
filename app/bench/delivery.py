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
from app.streams.broker import RECORDS
from app.streams.client import connect

GOALS = {"single": 0.5, "batch": 1.0}
PORTION = 5000
WARM = 20_000
"""Events of a round before the first, at most."""


def run(
    kind: str,
    events: int,
    rounds: int,
    fsync: str | None,
    tell: Callable[[str], None],
    archive: bool = True,
) -> dict[str, Any]:
    """Rates of a handler of single events or of batches against the reference.

    Who goes first alternates by the round, and each part begins on a calm machine.
    """
    with machine(fsync) as ours:
        environment = {"PENSTOCK_BENCH_KIND": kind}
        worker = ours.start_worker("default", 2, environment=environment)
        books = ours.start_worker("system", 1, environment=environment) if archive else None
        pids = [worker.pid, ours.server_pid]
        theirs, done = [], []
        for number in range(-1, rounds):
            count = events if number >= 0 else min(events, WARM)
            parts = [
                lambda count=count: theirs.append(_reference(ours, kind, count)),
                lambda count=count: done.append(
                    deliver(ours, kind, count, pids, books.pid if books else None)
                ),
            ]
            for part in reversed(parts) if number % 2 else parts:
                part()
            if number < 0:  # workers import and grow in it: it counts for nothing
                theirs.clear()
                done.clear()
                continue
            tell(
                f"round {number + 1}: reference {theirs[-1].rate:,.0f}/s, ours {done[-1].rate:,.0f}/s"
                + (
                    f", archive {done[-1].behind:.1f} s later, {done[-1].share:.2f} of a core meanwhile"
                    if archive
                    else ""
                )
            )
        ratios = [one.rate / other.rate for one, other in zip(done, theirs, strict=True)]
        return {
            "benchmark": f"delivery, {kind}",
            **ours.describe(),
            "events": events,
            "reference": statistics.median(one.rate for one in theirs),
            "ours": statistics.median(one.rate for one in done),
            "ratio": statistics.median(ratios),
            "ratios": ratios,
            "goal": GOALS[kind],
            "CPU (microseconds an event)": {
                "reference with its server": statistics.median(one.cpu for one in theirs) * 1e6,
                "ours with its server": statistics.median(one.cpu for one in done) * 1e6,
            },
            "CPU of archive and projector (microseconds an event)": (
                statistics.median(one.books for one in done) * 1e6 if archive else None
            ),
            "cores of archive and projector while handlers were busy": (
                statistics.median(one.share for one in done) if archive else None
            ),
            "archive caught up after (s)": max(one.behind for one in done) if archive else None,
        }


def made_events(kind: str, count: int, first: int = 0) -> list[Event]:
    now = time.time()
    return [
        Event(
            type=f"{kind}.made",
            data={"n": number, "at": now},
            subject="kept",
            partitionkey=f"key-{number % 50}",
        )
        for number in range(first, first + count)
    ]


class Delivered(NamedTuple):
    """One round: events a second, and CPU seconds per event.

    Then of the archive and the projector: how long they took beyond it, their CPU seconds per
    event, and how many cores they had while handlers were busy.
    """

    rate: float
    cpu: float
    behind: float = 0.0
    books: float = 0.0
    share: float = 0.0


def _reference(ours: Machine, kind: str, events: int) -> Delivered:
    """The same events, handled by the bare loop in this process."""
    client = connect(ours.server.url)
    reference.fill(client, [event.to_bytes() for event in made_events(kind, events)])
    ours.calm()
    pids = [os.getpid(), ours.server_pid]
    used = sum(map(own_cpu, pids))
    rate = reference.drain(client)
    used = sum(map(own_cpu, pids)) - used
    client.delete(reference.STREAM)
    client.close()
    return Delivered(rate, used / events)


def deliver(
    ours: Machine, kind: str, events: int, pids: Sequence[int], books: int | None = None
) -> Delivered:
    """Publish a backlog while the gate is shut, open it, and wait until all is settled.

    CPU is that of the processes `pids` and their descendants, while the gate is open; `books` is the
    worker that archives, which is waited for.
    """
    name = f"bench.{kind}"
    gates = [name, *(("penstock.archive", "penstock.projector") if books else ())]
    control = ours.platform.subscriptions
    for gate in gates:
        control.pause(gate, "bench")
    stream = publish(ours, kind, events)
    ours.calm()
    used = sum(map(cpu_seconds, pids))
    of_books = cpu_seconds(books) if books else 0.0
    begun = time.perf_counter()
    for gate in gates:
        control.resume(gate, "bench")
    drained(ours, name, stream)
    taken = time.perf_counter() - begun
    used = sum(map(cpu_seconds, pids)) - used
    behind = share = 0.0
    if books:
        share = (cpu_seconds(books) - of_books) / taken
        drained(ours, "penstock.archive", stream)
        behind = time.perf_counter() - begun - taken
        drained(ours, "penstock.projector", RECORDS)
        of_books = (cpu_seconds(books) - of_books) / events
    ours.client.xtrim(stream, maxlen=0, approximate=False)
    return Delivered(events / taken, used / events, behind, of_books, share)


def publish(ours: Machine, kind: str, events: int) -> str:
    """Publish that many events of a kind; the stream that they are in."""
    for start in range(0, events, PORTION):
        ours.platform.publisher.publish(made_events(kind, min(PORTION, events - start), start))
    return f"penstock:topic:{kind}:0"


def drained(ours: Machine, name: str, stream: str) -> None:
    """Wait until a subscription has nothing unread and nothing open."""

    def is_drained() -> bool:
        found = backlogs(ours.platform.redis, {name: [f"penstock:again:{name}:0", stream]})[name]
        return found.unread == 0 and found.open == 0

    # Looking costs the server and this process something: not more often than needed.
    Machine.wait_for(is_drained, 600, f"{name} to be drained", every=0.05)
