"""`bench scale`: what does not grow: the cost per event with the backlog and with subscriptions, idle CPU, memory."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import psutil

from app.bench.delivery import _round
from app.bench.machine import Machine, machine

SMALL = 20_000


def run(
    backlog: int, subscriptions: int, rounds: int, fsync: str | None, tell: Callable[[str], None]
) -> dict[str, Any]:
    """Rates with little and much of each, as ratios; CPU of an idle worker; memory of a child."""
    result: dict[str, Any] = {"benchmark": "scale"}
    with machine(fsync) as ours:
        result |= ours.describe()
        ours.start_worker("default", 2)
        pairs = []
        for number in range(rounds):
            little, _ = _round(ours, "single", SMALL, archive=False)
            much, _ = _round(ours, "single", backlog, archive=False)
            pairs.append((much, little))
            tell(
                f"round {number + 1}: backlog of {backlog:,}: {much:,.0f}/s, of {SMALL:,}: {little:,.0f}/s"
            )
        result["with a large backlog"] = _ratio(pairs)
        few = [_round(ours, "single", SMALL, archive=False)[0] for _ in range(rounds)]
    with machine(fsync) as ours:
        worker = ours.start_worker(
            "default", 2, environment={"PENSTOCK_BENCH_SUBSCRIPTIONS": str(subscriptions)}
        )
        many = [_round(ours, "single", SMALL, archive=False)[0] for _ in range(rounds)]
        tell(
            f"{subscriptions} subscriptions: {statistics.median(many):,.0f}/s, one: {statistics.median(few):,.0f}/s"
        )
        result["with many subscriptions"] = _ratio(list(zip(many, few, strict=True)))
        result["idle CPU (share of a core)"] = _idle(worker.pid)
        result["private memory of a child (MB)"] = _private(ours, worker.pid)
    return result


def _ratio(pairs: list[tuple[float, float]]) -> dict[str, float]:
    return {
        "ours": statistics.median(one for one, _ in pairs),
        "without": statistics.median(other for _, other in pairs),
        "ratio": statistics.median(one / other for one, other in pairs),
        "goal": 0.8,
    }


def _idle(pid: int, seconds: float = 10.0) -> float:
    """The share of a core that a worker with nothing to do uses, its children included."""
    time.sleep(2.0)
    processes = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]

    def used() -> float:
        return sum(sum(process.cpu_times()[:2]) for process in processes)

    before = used()
    time.sleep(seconds)
    return (used() - before) / seconds


def _private(ours: Machine, pid: int) -> float:
    """The memory that a child shares with nobody."""
    return max(child.memory_full_info().uss for child in psutil.Process(pid).children()) / 1e6
