"""The workers, as their beats tell: what each does, and stopping one.

A worker that is told to stop finishes what it has in hand, gives back the rest,
and ends as on SIGTERM: its pulse reads the word from Redis. Whatever keeps
workers running (a platform, `up`) starts another one in its place.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import redis

from app.errors import Conflict, NotFound
from app.streams import keys
from app.streams.control import stop_field
from app.subscriptions.reclaim import RECLAIM


class Code(msgspec.Struct):
    """What a worker's code has: its subscriptions, and its commands with a digest of what each takes."""

    subscriptions: list[str]
    commands: dict[str, str]


class Workers:
    """What each worker said of itself with its last beat."""

    def __init__(self, client: redis.Redis, audit: Any = None):
        self.client = client
        self.audit = audit

    def list(self) -> list[dict[str, Any]]:
        """Workers by id. `alive` is False where the last beat is older than a dead one's may be, by
        the server's clock, which beats tell; `stopping` is True once it was told to stop."""
        found = [
            {"id": id.decode(), **msgspec.json.decode(beat)}
            for id, beat in self.client.hgetall(keys.WORKERS).items()
        ]
        seconds, micros = self.client.time()
        now = seconds + micros / 1e6
        told = self.client.hmget(keys.CONTROL, [stop_field(one["id"]) for one in found] or ["-"])
        for worker, word in zip(found, told, strict=False):
            worker["alive"] = now - worker["beat"] < RECLAIM + 1
            worker["stopping"] = bool(word) or worker.get("stopping", False)
            worker.pop("place", None)
        return sorted(found, key=lambda worker: worker["id"])

    def say(self, id: str, code: Code) -> None:
        """What this worker's code has, for those of other releases."""
        self.client.hset(keys.CODE, id, msgspec.json.encode(code))

    def code(self) -> Sequence[Code | None]:
        """What each live worker's code has; None of one that hasn't said: of an older release, or just starting."""
        alive = [one["id"] for one in self.list() if one["alive"]]
        said = self.client.hmget(keys.CODE, alive) if alive else []
        return [msgspec.json.decode(one, type=Code) if one else None for one in said]

    def lanes(self) -> set[str]:
        """The lanes that a live worker serves."""
        return {lane for worker in self.list() if worker["alive"] for lane in worker["lanes"]}

    def get(self, id: str) -> dict[str, Any]:
        """One worker. Raises `NotFound`."""
        for worker in self.list():
            if worker["id"] == id:
                return worker
        raise NotFound(f"There is no worker {id!r}: it has ended, or never was.")

    def stop(self, id: str, actor: str, reason: str = "") -> None:
        """Have a worker finish what it has in hand and end. Raises `NotFound`, `Conflict`."""
        worker = self.get(id)
        if not worker["alive"]:
            raise Conflict(f"The worker {id} is silent: it can't hear this, or is dead already.")
        if worker["stopping"]:
            raise Conflict(f"The worker {id} was told to stop already.")
        with self.audit.changing(actor, "worker.stopped", f"worker:{id}", reason=reason):
            self.client.hset(keys.CONTROL, stop_field(id), actor)
