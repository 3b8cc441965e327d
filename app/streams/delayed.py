"""What comes back later: retries and delayed events."""

from __future__ import annotations

import redis

from app.streams import keys
from app.streams.client import Wire
from app.streams.publisher import seen_digest


def release_due(wire: Wire, limit: int = 500) -> int:
    """Put what is due back into its stream; how many that were."""
    return int(wire.script("due", (keys.DELAYED, keys.DELAYED_DATA, keys.BELL), (limit,)))


def cancel(client: redis.Redis, source: str, id: str) -> bool:
    """Take back a delayed event; False where it was published already, or never was delayed."""
    member = b"event:" + seen_digest(source, id)
    with client.pipeline(transaction=True) as pipe:
        pipe.zrem(keys.DELAYED, member)
        pipe.hdel(keys.DELAYED_DATA, member)
        removed, _ = pipe.execute()
    return bool(removed)
