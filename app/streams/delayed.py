"""What comes back later: retries and delayed events."""

from __future__ import annotations

import redis

from app.streams import keys
from app.streams.client import run_script


def release_due(client: redis.Redis, limit: int = 500) -> int:
    """Put what is due back into its stream; how many that were."""
    return int(run_script(client, "due", (keys.DELAYED, keys.DELAYED_DATA, keys.BELL), (limit,)))
