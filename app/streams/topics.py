"""The topics that exist, and how many partitions each has.

A topic is made by the first event of one of its types, or by a subscription.
Partitions can be added, never taken away: a key's order would be lost. A server that came back
with an empty memory is told again by whoever publishes: else nobody would read all of what comes.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import redis
from redis.exceptions import RedisError

from app.events.topics import SYSTEM_TOPIC, check_topic
from app.streams import keys
from app.streams.client import LOST
from app.streams.control import add_change

LOOK = 2.0
"""Seconds after which the server is asked whether it still knows the topics."""


class Topics:
    """Topics by name. `configured` gives the partitions of topics that have more than one."""

    def __init__(self, client: redis.Redis, configured: Mapping[str, int] | None = None):
        self.client = client
        self.configured = dict(configured or {})
        self._known: dict[str, int] = {}
        self._looked = time.monotonic()

    def partitions(self, topic: str) -> int:
        """How many partitions a topic has; makes the topic where it is new."""
        if time.monotonic() - self._looked > LOOK:
            self._look_again()
        known = self._known.get(topic)
        if known is None:
            known = self._known[topic] = self._make(topic)
        return known

    def all(self) -> dict[str, int]:
        """Every topic and its partitions, our own system topic included."""
        found = {
            name.decode(): int(count) for name, count in self.client.hgetall(keys.TOPICS).items()
        }
        self._known.update(found)
        return found

    def streams(self, topic: str) -> list[str]:
        """The streams of a topic, by partition."""
        return [keys.topic_stream(topic, number) for number in range(self.partitions(topic))]

    def describe(self) -> list[dict[str, Any]]:
        """Each topic with its number of events, first and last position, and bytes in memory."""
        found = sorted(name for name in self.all() if name != SYSTEM_TOPIC)
        pipe = self.client.pipeline(transaction=False)
        for name in found:
            for stream in self.streams(name):
                pipe.execute_command("XINFO", "STREAM", stream)
                pipe.memory_usage(stream, samples=20)
        replies = iter(pipe.execute(raise_on_error=False))
        return [
            self._describe(name, [(next(replies), next(replies)) for _ in self.streams(name)])
            for name in found
        ]

    def _describe(self, name: str, replies: list[tuple[Any, Any]]) -> dict[str, Any]:
        infos = [info_mapping(info) for info, _ in replies if not isinstance(info, Exception)]
        first = [info["first-entry"][0].decode() for info in infos if info.get("first-entry")]
        last = [info["last-entry"][0].decode() for info in infos if info.get("last-entry")]
        return {
            "name": name,
            "partitions": self._known[name],
            "events": sum(info.get("length", 0) for info in infos),
            "first": min(first, key=position_order, default=None),
            "last": max(last, key=position_order, default=None),
            "bytes": sum(size for _, size in replies if isinstance(size, int)),
        }

    def _look_again(self) -> None:
        """Make again what the server knows no more; where it is away, the next time."""
        self._looked = time.monotonic()
        known = dict(self._known)
        with suppress(*LOST, RedisError):
            found = self.all()
            for topic, count in known.items():
                if found.get(topic, 0) < count:
                    self._known[topic] = self._make(topic, count)

    def _make(self, topic: str, least: int = 1) -> int:
        check_topic(topic)
        wanted = max(least, self.configured.get(topic, 1))
        found = int(self.client.hget(keys.TOPICS, topic) or 0)
        if found >= wanted:
            return found
        with self.client.pipeline(transaction=True) as pipe:
            pipe.hset(keys.TOPICS, topic, wanted)
            add_change(pipe)
            pipe.execute()
        return wanted


def position_order(position: str) -> tuple[int, int]:
    """A sort key for positions such as `1790000000123-4`."""
    milliseconds, _, number = position.partition("-")
    return int(milliseconds), int(number or 0)


def info_mapping(reply: Any) -> dict[str, Any]:
    """XINFO's answer as a mapping with text keys, whatever the client made of it."""
    if isinstance(reply, dict):
        return {
            key.decode() if isinstance(key, bytes) else key: value for key, value in reply.items()
        }
    return {reply[i].decode(): reply[i + 1] for i in range(0, len(reply), 2)}
