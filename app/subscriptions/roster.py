"""The subscriptions that a process serves: what the code declares, as operators decided.

Kept fresh by a version number that every read of a stream brings along.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from app.events.topics import SYSTEM_TOPIC
from app.streams import keys
from app.streams.control import Decision
from app.subscriptions.declaration import Subscription
from app.subscriptions.delivery import Handling
from app.subscriptions.retry import RetryPolicy


class Roster:
    """Subscriptions of some lanes, with their streams and how they are handled."""

    def __init__(self, platform: Any, lanes: Sequence[str]):
        self.platform = platform
        self.lanes = tuple(lanes)
        self.version = -1
        self.handlings: dict[str, Handling] = {}
        self.paused: set[str] = set()
        self.streams: dict[str, list[list[str]]] = {}
        self.readers: dict[str, list[str]] = {}

    def refresh(self) -> None:
        """Read the decisions and the topics again."""
        version, decisions = self.platform.decisions()
        topics = self.platform.topics.all()
        self.handlings.clear()
        self.paused.clear()
        self.streams.clear()
        self.readers.clear()
        for subscription in self.platform.handlers.subscriptions.values():
            decision = decisions.get(subscription.name) or Decision()
            if (decision.lane or subscription.lane) not in self.lanes:
                continue
            self._add(subscription, decision, topics)
        self.version = version

    def _add(self, subscription: Subscription, decision: Decision, topics: dict[str, int]) -> None:
        name = subscription.name
        self.handlings[name] = Handling(
            subscription,
            self.platform.catalogue,
            self.platform.preparer,
            self.platform.clock,
            platform=self.platform,
            database=self.platform.database,
            retry=RetryPolicy(**decision.retry) if decision.retry else None,
            filter=decision.filter,
            timeout=decision.timeout,
            generation=decision.generation,
        )
        if decision.paused:
            self.paused.add(name)
        self.streams[name] = subscription_streams(subscription, self.platform.catalogue, topics)
        for streams in self.streams[name]:
            for stream in streams:
                self.readers.setdefault(stream, []).append(name)

    def all_streams(self, name: str) -> list[str]:
        """Every stream of a subscription: what came back first, then the topics."""
        return [stream for partition in self.streams[name] for stream in partition]

    def doorbell_streams(self) -> list[str]:
        """The topics' streams that can bring work to someone who isn't paused."""
        return [
            stream
            for stream, names in self.readers.items()
            if not keys.is_again(stream) and any(name not in self.paused for name in names)
        ]


def subscription_streams(subscription: Subscription, catalogue: Any, topics: dict[str, int]) -> list[list[str]]:
    """By partition: the `again` stream, then those of the subscription's topics."""
    if subscription.everything:
        names: Sequence[str] = [name for name in sorted(topics) if name != SYSTEM_TOPIC]
    else:
        names = catalogue.topics_of(subscription.types)
    counts = {name: topics.get(name, 1) for name in names}
    return [
        [
            keys.again_stream(subscription.name, partition),
            *(keys.topic_stream(name, partition) for name in names if partition < counts[name]),
        ]
        for partition in range(max(counts.values(), default=1))
    ]
