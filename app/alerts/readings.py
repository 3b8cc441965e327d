"""How things are now, by measure and target: what the rules are held against.

A target that is absent is well (paused on purpose, retired, nothing waits).
A measure that can't be read raises, and its rules say so.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

from app.streams import keys

LEAST_ATTEMPTS = 10
"""A share is of so many attempts at least: one failure of one attempt is no trend."""
DEATHS_COUNT_FOR = 600.0
EVERYWHERE = "all workers"
OUTBOX = "outbox"

Values = dict[str, float]


class Readings:
    """One look at the platform; what two measures need is asked once."""

    def __init__(self, platform: Any):
        self._platform = platform
        self._of: dict[str, Callable[[], Values]] = {
            "lag": self._lag,
            "failure-share": self._failure_share,
            "dead-letters": lambda: {
                k: float(v) for k, v in platform.dead_letters.parked().items()
            },
            "stuck-runs": self._stuck_runs,
            "silent-topics": self._silent_topics,
            "dead-workers": self._dead_workers,
            "unserved-lanes": self._unserved_lanes,
            "stopped-projections": lambda: {
                row["name"]: 1.0 for row in self._platform.projections.stopped()
            },
            "relay-lag": lambda: {OUTBOX: self._outbox["relay"]["seconds"]},
            "refused-events": lambda: {OUTBOX: float(self._outbox["refused"])},
        }

    def of(self, measure: str) -> Values:
        return self._of[measure]()

    @cached_property
    def _subscriptions(self) -> list[dict[str, Any]]:
        return [row for row in self._platform.subscriptions.list() if row["active"]]

    @cached_property
    def _outbox(self) -> dict[str, Any]:
        told: dict[str, Any] = self._platform.outgoing.status()
        return told

    def _lag(self) -> Values:
        return {s["name"]: s["oldest"] or 0.0 for s in self._subscriptions if not s["paused"]}

    def _failure_share(self) -> Values:
        return {
            s["name"]: s["recent"]["failed"]
            / max(LEAST_ATTEMPTS, s["recent"]["failed"] + s["recent"]["done"])
            for s in self._subscriptions
        }

    def _stuck_runs(self) -> Values:
        now = self._platform.clock.now()
        running = {s["name"] for s in self._subscriptions if not s["paused"]}
        oldest = self._platform.runs.oldest_open()
        return {name: max(0.0, now - at) for name, at in oldest.items() if name in running}

    def _silent_topics(self) -> Values:
        now = self._platform.clock.now()
        last = self._platform.stream_topics.describe()
        return {
            each["name"]: max(0.0, now - int(each["last"].partition("-")[0]) / 1000)
            for each in last
            if each["last"]
        }

    def _dead_workers(self) -> Values:
        since = self._platform.clock.now() - DEATHS_COUNT_FOR
        return {EVERYWHERE: float(self._platform.redis.zcount(keys.BURIED, since, "+inf"))}

    def _unserved_lanes(self) -> Values:
        served = {
            lane
            for worker in self._platform.workers.list()
            if worker["alive"]
            for lane in worker["lanes"]
        }
        wanted = {s["lane"] for s in self._subscriptions if not s["paused"]}
        return {lane: float(lane not in served) for lane in wanted}
