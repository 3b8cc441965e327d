"""`bench scale`: what does not grow: the cost of an event with the backlog and with subscriptions,
the CPU of an idle worker, and the memory of a child, with the number of events it has handled.

Costs are told twice: as rates, and as CPU time of worker and server per event, which other work
on the machine disturbs much less.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from app.bench.delivery import deliver
from app.bench.machine import Machine, cpu_seconds, machine, private_memory

SMALL = 20_000
"""A small backlog. One of 1,000 is over in some ten milliseconds, most of which is starting."""
MANY = 200_000
"""Beside many subscriptions: enough that opening the gate, after which a worker reads what was
decided of each of them, is little of it."""
PARTS = ("backlog", "subscriptions", "memory")
PORTION = 100_000
"""Events between two looks at a child's memory."""
BARE_TASKS = 500
CALM_SECONDS, IDLE_SECONDS = 2.0, 30.0
"""How long a worker is left alone before its idle CPU is measured, and for how long it is: its chores
have up to a minute in between."""
GOAL, IDLE_GOAL, MEMORY_GOAL, GROWTH_GOAL = 0.8, 0.02, 1.5, 1.1


class Cost(NamedTuple):
    """What a round took: events a second, and CPU seconds per event."""

    rate: float
    cpu: float


def run(
    backlog: int,
    subscriptions: int,
    rounds: int,
    fsync: str | None,
    tell: Callable[[str], None],
    parts: Sequence[str] = PARTS,
) -> dict[str, Any]:
    """Costs with little and much of each, as ratios; CPU of an idle worker; memory of a child."""
    result: dict[str, Any] = {"benchmark": "scale"}
    with machine(fsync) as ours:
        result |= ours.describe()
        if "backlog" in parts:
            result |= _with_backlog(ours, backlog, rounds, tell)
        if "subscriptions" in parts:
            result |= _with_subscriptions(ours, subscriptions, rounds, tell)
        if "memory" in parts:
            result |= _memory(ours, backlog, tell)
    return result | {"idle goal (at most)": IDLE_GOAL}


def _with_backlog(
    ours: Machine, backlog: int, rounds: int, tell: Callable[[str], None]
) -> dict[str, Any]:
    """A large backlog against a small one."""
    worker = ours.start_worker("default", 2)
    _cost(ours, worker.pid, SMALL)  # the first round imports and grows; it counts for nothing
    pairs = []
    for number in range(rounds):
        pairs.append((_cost(ours, worker.pid, backlog), _cost(ours, worker.pid, SMALL)))
        much, little = pairs[-1]
        tell(
            f"round {number + 1}: backlog of {backlog:,}: {much.rate:,.0f}/s, of {SMALL:,}:"
            f" {little.rate:,.0f}/s"
        )
    idle = _idle(worker.pid)
    ours.stop_worker(worker)
    return {
        "backlog": backlog,
        "with a large backlog": _compared(pairs),
        "idle CPU (share of a core)": idle,
    }


def _memory(ours: Machine, events: int, tell: Callable[[str], None]) -> dict[str, Any]:
    """A child's private memory over that many events, against a child of a bare Celery worker."""
    bare_child = _bare_child(ours)
    worker = ours.start_worker("default", 2)
    _cost(ours, worker.pid, SMALL)  # it imports and grows in these
    memory = [private_memory(worker.pid)]
    handled = 0
    while handled < events:
        some = min(PORTION, events - handled)
        _cost(ours, worker.pid, some)
        handled += some
        memory.append(private_memory(worker.pid))
        tell(f"after {handled:,} events: a child has {memory[-1]:.1f} MB, bare {bare_child:.1f} MB")
    ours.stop_worker(worker)
    return {
        "private memory of a child (MB)": {
            "ours": memory[-1],
            "bare Celery": bare_child,
            "ratio": memory[-1] / bare_child,
            "goal (at most)": MEMORY_GOAL,
            "events handled": handled,
            "growth over them": memory[-1] / memory[0],
            "goal of growth (at most)": GROWTH_GOAL,
        }
    }


def _with_subscriptions(
    ours: Machine, subscriptions: int, rounds: int, tell: Callable[[str], None]
) -> dict[str, Any]:
    """One subscription that has work, alone and among many that have none."""
    costs, idle = [], []
    for others in (0, subscriptions):
        environment = {"PENSTOCK_BENCH_SUBSCRIPTIONS": str(others)}
        worker = ours.start_worker("default", 2, environment=environment)
        _cost(ours, worker.pid, SMALL)
        costs.append([_cost(ours, worker.pid, MANY) for _ in range(rounds)])
        rate = statistics.median(one.rate for one in costs[-1])
        idle.append(_idle(worker.pid))
        ours.stop_worker(worker)
        tell(f"beside {others} subscriptions: {rate:,.0f}/s; idle {idle[-1]:.2%} of a core")
    few, many = costs
    return {
        "subscriptions": subscriptions,
        "with many subscriptions": _compared(list(zip(many, few, strict=True))),
        "idle CPU with one subscription": idle[0],
        "idle CPU with many subscriptions": idle[1],
    }


def _cost(ours: Machine, worker: int, events: int) -> Cost:
    done = deliver(ours, "single", events, [worker, ours.server_pid])
    return Cost(done.rate, done.cpu)


def _compared(pairs: list[tuple[Cost, Cost]]) -> dict[str, float]:
    """Of (much, little): the rates, and by how much an event costs less or more."""
    return {
        "rate": statistics.median(much.rate for much, _ in pairs),
        "rate with little": statistics.median(little.rate for _, little in pairs),
        "ratio": statistics.median(much.rate / little.rate for much, little in pairs),
        "ratio by CPU per event": statistics.median(
            little.cpu / much.cpu for much, little in pairs
        ),
        "goal": GOAL,
    }


def _idle(pid: int) -> float:
    """The share of a core that a worker with nothing to do uses, its children included."""
    time.sleep(CALM_SECONDS)
    before = cpu_seconds(pid)
    time.sleep(IDLE_SECONDS)
    return (cpu_seconds(pid) - before) / IDLE_SECONDS


def _bare_child(ours: Machine) -> float:
    """The private memory of a child of a bare Celery worker that has handled something."""
    worker = ours.start_bare_worker(2, BARE_TASKS)
    time.sleep(1.0)
    size = private_memory(worker.pid)
    ours.stop_worker(worker)
    return size
