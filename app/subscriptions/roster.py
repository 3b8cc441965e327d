"""The subscriptions that a process serves: what the code declares, as operators decided.

Kept fresh by a version number that every read of a stream brings along.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from app.streams import keys
from app.streams.control import Decision
from app.subscriptions.declaration import Subscription
from app.subscriptions.delivery import Handling
from app.subscriptions.priority import rank
from app.subscriptions.retry import RetryPolicy
from app.subscriptions.streams import subscription_streams


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
        self.ranks: dict[str, int] = {}
        """Each one's priority; empty where all have the same."""

    def refresh(self) -> None:
        """Read the decisions and the topics again."""
        version, decisions = self.platform.decisions()
        topics = self.platform.stream_topics.all()
        self.handlings.clear()
        self.paused.clear()
        self.streams.clear()
        self.readers.clear()
        for subscription in self.platform.served():
            decision = decisions.get(subscription.name) or Decision()
            subscription = replace(
                subscription,
                lane=decision.lane or subscription.lane,
                priority=decision.priority or subscription.priority,
            )
            if subscription.lane in self.lanes:
                self._add(subscription, decision, topics)
        ranks = {name: rank(one.subscription.priority) for name, one in self.handlings.items()}
        self.ranks = ranks if len(set(ranks.values())) > 1 else {}
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
            rewound=decision.rewound,
            skipped=decision.skipped,
            concurrency=decision.concurrency,
            rate=decision.rate,
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
