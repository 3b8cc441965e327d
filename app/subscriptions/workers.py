"""The workers that are alive, as their beats tell."""

from __future__ import annotations

import time
from typing import Any

import msgspec
import redis

from app.streams import keys
from app.subscriptions.reclaim import RECLAIM


class Workers:
    """What each worker said of itself with its last beat."""

    def __init__(self, client: redis.Redis):
        self.client = client

    def list(self) -> list[dict[str, Any]]:
        """Workers by id. `alive` is False where the last beat is older than a dead one's may be."""
        found = [
            {"id": id.decode(), **msgspec.json.decode(beat)}
            for id, beat in self.client.hgetall(keys.WORKERS).items()
        ]
        now = time.time()
        for worker in found:
            worker["alive"] = now - worker["beat"] < RECLAIM + 1
            worker.pop("place", None)
        return sorted(found, key=lambda worker: worker["id"])
