"""Giving back what a dead worker or child held.

A worker is dead when its beats stop. Nobody's clock is compared with anybody
else's: each observer measures with its own how long a beat has not changed,
and begins anew after any gap in its contact with the server, since nobody
could beat while the server stood still. On the same machine a process that
does not exist any more needs no waiting.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec
import redis
import structlog

from app import living
from app.clock import Clock
from app.streams import keys
from app.streams.backlog import STREAMS
from app.streams.broker import Broker
from app.streams.client import run_script
from app.streams.control import decisions
from app.subscriptions.identity import is_alive, is_gone, process_of, worker_of

RECLAIM = 5.0
"""Seconds without a beat after which a worker is dead."""
GAP = 2.5
"""Seconds without contact after which an observer begins anew."""
SWEEP = 5.0
"""Seconds between looks for consumers whose worker nobody knows, or whose child is gone unnoticed."""

BURIED_KEPT = 3600.0
"""Seconds for which the dead are remembered, for alerts."""

log = structlog.get_logger(__name__)


class Reaper:
    """Watches the beats of all workers from one of them; `look` about every second."""

    def __init__(
        self,
        client: redis.Redis,
        broker: Broker,
        streams: Callable[[], Iterable[str]],
        clock: Clock,
        worker: str,
    ):
        self.client = client
        self.worker = worker
        self.broker = broker
        self.streams = streams
        self.clock = clock
        self._seen: dict[str, tuple[bytes, float]] = {}
        self._looked = float("-inf")
        self._swept = clock.monotonic()

    def look(self) -> list[str]:
        """Bury the workers that are dead; their ids."""
        beats = {id.decode(): beat for id, beat in self.client.hgetall(keys.WORKERS).items()}
        now = self.clock.monotonic()
        if now - self._looked > GAP:
            self._seen.clear()
        self._looked = now
        dead = [id for id, beat in beats.items() if self._is_dead(id, beat, now)]
        for id in self._seen.keys() - beats.keys():
            del self._seen[id]
        for id in dead:
            self.bury(id)
        if now - self._swept > SWEEP:
            self._swept = now
            release_consumers(
                self.client,
                self.broker,
                self.streams(),
                lambda consumer: worker_of(consumer) not in beats or self._is_lost_child(consumer),
                suspect=True,
            )
        return dead

    def _is_lost_child(self, consumer: str) -> bool:
        """Whether it was a child of this very worker that is gone: a net under the watch over slots."""
        return worker_of(consumer) == self.worker and is_gone(process_of(consumer))

    def bury(self, worker: str) -> None:
        """Give back what a worker held, and forget it."""
        moved = release_consumers(
            self.client,
            self.broker,
            self.streams(),
            lambda consumer: worker_of(consumer) == worker,
            suspect=True,
        )
        self.client.hdel(keys.WORKERS, worker)
        self.client.hdel(keys.CODE, worker)
        found = self.clock.now()
        self.client.zadd(keys.BURIED, {worker: found})
        self.client.zremrangebyscore(keys.BURIED, "-inf", found - BURIED_KEPT)
        self._seen.pop(worker, None)
        log.warning("a worker died; what it held goes to others", worker=worker, deliveries=moved)

    def _is_dead(self, id: str, beat: bytes, now: float) -> bool:
        told = msgspec.json.decode(beat)
        if told.get("place") == living.place() and not is_alive(told["pid"]):
            return True
        known = self._seen.get(id)
        if known is None or known[0] != beat:
            self._seen[id] = (beat, now)
            return False
        return now - known[1] > RECLAIM


def release_consumers(
    client: redis.Redis,
    broker: Broker,
    streams: Iterable[str],
    theirs: Callable[[str], bool],
    *,
    suspect: bool,
) -> int:
    """Give back everything that some consumers hold, and delete them; how many deliveries that were.

    `suspect`: they died, so each of what they held is handled alone from now on, and
    the one that was announced as in hand has one more loss of its worker.
    """
    found = [place for place in _consumers(client, list(streams)) if theirs(place[2])]
    # Read where there is somebody, which is rare: they are one for each subscription.
    decided = decisions(client)[1] if found else {}
    moved = 0
    for stream, group, consumer in found:
        hand_stream, _, hand_id = (client.get(keys.hand(consumer)) or b"").decode().partition(" ")
        generation = decided[group].generation if group in decided else 0
        released = broker.release(
            group,
            consumer,
            stream,
            generation,
            suspect=suspect,
            in_hand=hand_id.encode() if hand_stream == stream else b"",
            counts="w",
        )
        moved += released.moved
        for id in released.missing:
            log.error(
                "an event was deleted before it was handled",
                subscription=group,
                stream=stream,
                position=id,
            )
    for field, owner in client.hgetall(keys.OWNERS).items():
        if theirs(owner.decode()):
            run_script(client, "disown", (keys.OWNERS,), (owner, field))
    return moved


def _consumers(client: redis.Redis, streams: list[str]) -> list[tuple[str, str, str]]:
    """Every (stream, group, consumer)."""
    found: list[tuple[str, str, str]] = []
    for start in range(0, len(streams), STREAMS):
        reply = run_script(client, "holders", streams[start : start + STREAMS], ())
        names = iter([name.decode() for name in reply])
        found += zip(names, names, names, strict=True)
    return found
