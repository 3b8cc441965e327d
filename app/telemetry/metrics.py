"""Every metric that Penstock shows at `/metrics`, declared once.

They are read at each scrape from what the whole installation shares (Redis and SQL), so any
web process answers the same, however many there are, and workers need no port of their own.
A value that is not known is left out rather than shown wrong.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest


@dataclass(frozen=True)
class Declared:
    """A metric: its name, its one-line help, its labels."""

    name: str
    help: str
    labels: tuple[str, ...] = ()


# Is the platform whole? 1 where it answered, 0 where it did not.
UP = Declared("penstock_up", "1 where this part answers.", ("part",))
# Alarm on this one: events that are accepted and not yet in the archive.
ARCHIVE_LAG = Declared("penstock_archive_lag_seconds", "Age of the oldest event not archived yet.")
# 0 means that nothing is handled at all.
WORKERS = Declared("penstock_workers", "Worker processes whose heartbeat is fresh.")

# Falls when what everybody has settled is trimmed.
TOPIC_EVENTS = Declared("penstock_topic_events", "Events kept in the topic now.", ("topic",))
# For the memory that Redis needs.
TOPIC_BYTES = Declared("penstock_topic_bytes", "Memory that the topic takes in Redis.", ("topic",))

# Grows where a subscription is slower than its producers; left out where Redis can't tell.
BACKLOG = Declared("penstock_backlog", "Events not delivered yet.", ("subscription",))
# The best measure of "late": how long the next event has waited.
OLDEST = Declared("penstock_oldest_seconds", "Age of the oldest unsettled.", ("subscription",))
OPEN = Declared("penstock_open", "Deliveries being handled now.", ("subscription",))
RETRYING = Declared("penstock_retrying", "Deliveries waiting for a retry.", ("subscription",))
# Somebody has to look at these.
PARKED = Declared("penstock_parked", "Dead letters not replayed or discarded.", ("subscription",))
PAUSED = Declared("penstock_paused", "1 where an operator paused it.", ("subscription",))

# Projections and reactors: an alarm on `stopped`, and on seconds where readers need fresh rows.
FOLLOWER_EVENTS = Declared(
    "penstock_follower_lag_events", "Events of the store not read yet.", ("follower",)
)
FOLLOWER_SECONDS = Declared(
    "penstock_follower_lag_seconds", "Age of the oldest of these.", ("follower",)
)
FOLLOWER_STOPPED = Declared(
    "penstock_follower_stopped",
    "1 where it, or a build beside it, is stopped or held up.",
    ("follower",),
)

# What SQL has committed and the relay has yet to bring to its topic: an alarm on the seconds.
RELAY_EVENTS = Declared("penstock_relay_lag_events", "Committed events not in their topics yet.")
RELAY_SECONDS = Declared("penstock_relay_lag_seconds", "Age of the oldest of these.")
# `refused`: its topic doesn't take it, and somebody has to look; `later`: deadlines, mostly.
OUTBOX = Declared("penstock_outbox_events", "Events that the outbox holds.", ("state",))

_FIELDS = {
    BACKLOG: "backlog",
    OLDEST: "oldest",
    OPEN: "open",
    RETRYING: "retrying",
    PARKED: "parked",
}


def _family(metric: Declared) -> GaugeMetricFamily:
    return GaugeMetricFamily(metric.name, metric.help, labels=metric.labels)


class _Families:
    def __init__(self) -> None:
        self.families: dict[Declared, GaugeMetricFamily] = {}

    def set(self, metric: Declared, value: float | None, *labels: str) -> None:
        if value is not None:
            family = self.families.setdefault(metric, _family(metric))
            family.add_metric(labels, float(value))

    def collect(self) -> Iterable[Metric]:
        return self.families.values()


def exposition(platform: Any) -> bytes:
    """The metrics of a platform, in Prometheus's text format."""
    metrics = _Families()
    health = platform.health()
    for part in ("redis", "database"):
        metrics.set(UP, health[part] == "ok", part)
    metrics.set(WORKERS, health["workers"])
    metrics.set(ARCHIVE_LAG, health["archive_lag"])
    if health["redis"] == "ok":
        for topic in platform.topics.list():
            metrics.set(TOPIC_EVENTS, topic["events"], topic["name"])
            metrics.set(TOPIC_BYTES, topic["bytes"], topic["name"])
    if health["redis"] == health["database"] == "ok":
        for subscription in platform.subscriptions.list():
            _describe(metrics, subscription)
    if health["migrations"] == "ok":
        stopped = {row["name"] for row in platform.projections.stopped()}
        for follower in platform.projections.list():
            name = follower["name"]
            metrics.set(FOLLOWER_EVENTS, follower["behind"]["events"], name)
            metrics.set(FOLLOWER_SECONDS, follower["behind"]["seconds"], name)
            metrics.set(FOLLOWER_STOPPED, name in stopped, name)
        held = platform.outgoing.status()
        metrics.set(RELAY_EVENTS, held["waiting"] + held["relay"]["lag"])
        metrics.set(RELAY_SECONDS, held["relay"]["seconds"])
        for state in ("waiting", "later", "refused"):
            metrics.set(OUTBOX, held[state], state)
    return generate_latest(metrics)


def _describe(metrics: _Families, subscription: Mapping[str, Any]) -> None:
    name = subscription["name"]
    for metric, field in _FIELDS.items():
        metrics.set(metric, subscription[field], name)
    metrics.set(PAUSED, subscription["state"] == "paused", name)
