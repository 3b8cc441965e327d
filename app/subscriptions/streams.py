"""Which streams a subscription reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from app.events.catalogue import Catalogue
from app.events.topics import SYSTEM_TOPIC
from app.streams import keys
from app.subscriptions.declaration import EVERYTHING, Subscription


def subscription_streams(
    subscription: Subscription, catalogue: Catalogue, topics: Mapping[str, int]
) -> list[list[str]]:
    """By partition: the `again` stream, then those of the topics that a declared subscription reads."""
    named = catalogue.topics_of(subscription.types) if not subscription.everything else ()
    return _by_partition(subscription.name, subscription.everything, named, topics)


def row_streams(row: Mapping[str, Any], topics: Mapping[str, int]) -> list[str]:
    """The same for a subscription as SQL has it, in one list."""
    by_partition = _by_partition(row["name"], EVERYTHING in row["types"], row["topics"], topics)
    return [stream for streams in by_partition for stream in streams]


def _by_partition(
    name: str, everything: bool, named: Sequence[str], topics: Mapping[str, int]
) -> list[list[str]]:
    if everything:
        named = [topic for topic in sorted(topics) if topic != SYSTEM_TOPIC]
    counts = {topic: topics.get(topic, 1) for topic in named}
    return [
        [
            keys.again_stream(name, partition),
            *(keys.topic_stream(topic, partition) for topic in named if partition < counts[topic]),
        ]
        for partition in range(max(counts.values(), default=1))
    ]
