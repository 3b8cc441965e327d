"""What comes back later: retries and delayed events."""

from __future__ import annotations

from typing import NamedTuple

import redis

from app.streams import keys
from app.streams.client import Wire
from app.streams.publisher import seen_digest


class Returned(NamedTuple):
    """How many came back, and the seconds until the next is due: None where nothing waits."""

    moved: int
    following: float | None


def release_due(wire: Wire, limit: int = 500) -> Returned:
    """Put what is due back into its stream."""
    moved, wait = wire.script("due", (keys.DELAYED, keys.DELAYED_DATA, keys.BELL), (limit,))
    return Returned(moved, wait / 1000 if wait >= 0 else None)


def cancel(client: redis.Redis, source: str, id: str) -> bool:
    """Take back a delayed event; False where it was published already, or never was delayed."""
    member = b"event:" + seen_digest(source, id)
    with client.pipeline(transaction=True) as pipe:
        pipe.zrem(keys.DELAYED, member)
        pipe.hdel(keys.DELAYED_DATA, member)
        removed, _ = pipe.execute()
    return bool(removed)
