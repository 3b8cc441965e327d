"""Topics as people see them: how much is in them, which types, and who reads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from app.events.event import Event
from app.events.topics import SYSTEM_TOPIC
from app.streams.tail import follow, newest


class TopicViews:
    def __init__(self, platform: Any):
        self.platform = platform

    def list(self) -> list[dict[str, Any]]:
        """Every topic but the system's own, by name."""
        types: dict[str, set[str]] = {}
        for row in self.platform.schemas.all():
            types.setdefault(row["topic"], set()).add(row["type"])
        readers: dict[str, list[str]] = {}
        for row in self.platform.subscription_store.all(active_only=True):
            for topic in row["topics"]:
                readers.setdefault(topic, []).append(row["name"])
                if topic != SYSTEM_TOPIC:
                    known = types.setdefault(topic, set())
                    known |= {
                        one
                        for one in row["types"]
                        if self.platform.catalogue.topic_of(one) == topic
                    }
        return [
            {
                **topic,
                "types": sorted(types.get(topic["name"], ())),
                "subscriptions": sorted(readers.get(topic["name"], ())),
            }
            for topic in self.platform.stream_topics.describe()
        ]

    def names(self) -> Sequence[str]:
        """Every topic but the system's own."""
        return sorted(name for name in self.platform.stream_topics.all() if name != SYSTEM_TOPIC)

    def follow(
        self,
        types: Sequence[str] | None = None,
        since: str = "$",
        positions: dict[str, bytes] | None = None,
    ) -> Iterator[Event | None]:
        """Events as they are published; None about once a second without one. See `app.streams.tail`."""
        return follow(self.platform.redis, self.platform.stream_topics, types, since, positions)

    def newest(
        self, types: Sequence[str] | None = None, limit: int = 500
    ) -> tuple[Sequence[Event], int]:
        """The newest events that Redis holds, and the moment of this. See `app.streams.tail`."""
        return newest(self.platform.redis, self.platform.stream_topics, types, limit)
