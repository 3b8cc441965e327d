"""An event with the place it has in its topic."""

from __future__ import annotations

from typing import NamedTuple

from app.events.event import Event


class Arrival(NamedTuple):
    """An event as read from a topic: `position` is the stream's entry id (`1790000000123-0`).

    `stored` are the bytes that lie there, where they are at hand.
    """

    event: Event
    topic: str
    partition: int
    position: str
    stored: bytes = b""
