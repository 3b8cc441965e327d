"""A hint that something has changed which a page shows.

Over pub/sub, so it may be lost: whoever listens also looks by itself now and then.
"""

from __future__ import annotations

from collections.abc import Iterator

import redis

from app.streams import keys


class Changes:
    """Announce and hear names such as `runs`, `dead-letters` or `models`."""

    def __init__(self, client: redis.Redis, channel: str = keys.CHANGES):
        self.client = client
        self.channel = channel

    def announce(self, *what: str) -> None:
        self.client.publish(self.channel, " ".join(what))

    def listen(self, heartbeat: float = 1.0) -> Iterator[list[str]]:
        """The names of what changed; an empty list where nothing did for `heartbeat` seconds."""
        with self.client.pubsub(ignore_subscribe_messages=True) as channel:
            channel.subscribe(self.channel)
            while True:
                message = channel.get_message(timeout=heartbeat)
                yield message["data"].decode().split() if message else []
