"""The chores that one worker does for all of them.

Whoever holds a key in Redis is the caretaker. Should two believe it for a
moment, nothing breaks: each chore is safe to do twice at once. What is dropped
for its age is dropped by the time that this process has seen pass: a clock that
jumps ahead makes nothing old.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from app.events.topics import SYSTEM_TOPIC
from app.streams import control, keys
from app.streams.delayed import release_due
from app.streams.trim import trim
from app.subscriptions.declare import declare
from app.subscriptions.lag import Lags
from app.subscriptions.reclaim import Reaper
from app.subscriptions.side_by_side import SideBySide

TERM = 3_000
"""Milliseconds for which a caretaker stays one without saying so again."""
BELIEVED = 1.0
"""Seconds for which the answer to that question is kept."""
REPLAYING = 0.5
"""Seconds between two steps of a replay; whether there is one is asked half as often."""
COMPARED = 60.0
"""Seconds after which SQL's decisions are compared with Redis's though neither says it has changed."""
DAY = 86_400.0


class Caretaker:
    """One worker's part in the chores."""

    def __init__(self, platform: Any, worker: str, reaper: Reaper):
        self.platform = platform
        self.wire = platform.wire()
        self.worker = worker
        self.reaper = reaper
        self.lags = Lags(platform)
        self.side_by_side = SideBySide(platform, worker, declare)
        self._mirrored: tuple[Any, float] = (None, float("-inf"))
        self._believed = (float("-inf"), False)
        self._began = (platform.clock.now(), platform.clock.monotonic())

    def chores(self) -> list[tuple[float, Callable[[], float | None]]]:
        """Each chore with the seconds between two times."""
        return [
            (0.25, self.return_due),
            (1.0, self.look_for_dead),
            (1.0, self.advance_replays),
            (1.0, self.fire_schedules),
            (5.0, self.mirror_decisions),
            (10.0, self.judge_alerts),
            (10.0, self.trim_records),
            (60.0, self.trim_topics),
            (15.0, self.side_by_side.keep),
            (15.0, self.note_lags),
            (3600.0, self.forget_old),
        ]

    def is_it(self) -> bool:
        """Whether this worker is the caretaker now; it becomes one where there is none."""
        asked, answer = self._believed
        now = self.platform.clock.monotonic()
        if now - asked > BELIEVED:
            names = (keys.CARETAKER, keys.WORKERS)
            found = self.wire.script("elect", names, (self.worker, TERM))
            answer = bool(found)
            self._believed = (now, answer)
        return answer

    def lived(self) -> float:
        """The time (seconds since 1970) by which age is judged: never more than this process has seen pass."""
        wall, monotonic = self._began
        clock = self.platform.clock
        return min(clock.now(), wall + clock.monotonic() - monotonic)

    def note_lags(self) -> None:
        """Look how far subscriptions are behind, for the charts."""
        if self.is_it():
            self.lags.note()

    def look_for_dead(self) -> None:
        """Every worker does: each is an observer by itself."""
        self.reaper.look()

    def return_due(self) -> float | None:
        """Put retries and delayed events back that are due; the seconds until the next one is."""
        return release_due(self.wire).following if self.is_it() else None

    def advance_replays(self) -> float | None:
        if self.is_it() and self.platform.replays.advance():
            return REPLAYING
        return None

    def fire_schedules(self) -> None:
        if self.is_it():
            self.platform.schedules.fire()

    def mirror_decisions(self) -> None:
        """Put back what operators decided and what the code declares, should Redis have lost it."""
        self.platform.schedules.put_back()  # every worker does: each knows its own code
        if not self.is_it():
            return
        now = self.platform.clock.monotonic()
        seen = self.platform.subscription_store.revision(), control.version(self.platform.redis)
        if seen != self._mirrored[0] or now - self._mirrored[1] > COMPARED:
            self.platform.subscriptions.mirror()
            self._mirrored = seen, now

    def judge_alerts(self) -> None:
        if self.is_it():
            self.platform.alerts.evaluate()

    def trim_records(self) -> None:
        """Drop our own records as soon as they are projected: they are needed no longer."""
        if self.is_it():
            self._trim(self.lived(), [SYSTEM_TOPIC])

    def trim_topics(self) -> None:
        """Drop what is older than the retention time and needed by nobody."""
        if self.is_it():
            keep = self.platform.settings.retention_days * DAY
            topics = self.platform.stream_topics.all()
            self._trim(self.lived() - keep, [topic for topic in topics if topic != SYSTEM_TOPIC])

    def _trim(self, since: float, topics: Iterable[str]) -> None:
        partitions = self.platform.stream_topics.all()
        rows = self.platform.subscription_store.all()
        retired = {row["name"] for row in rows if not row["active"]}
        streams = [
            keys.topic_stream(topic, partition)
            for topic in topics
            for partition in range(partitions.get(topic, 0))
        ]
        trim(self.platform.redis, streams, int(since * 1000), retired)

    def forget_old(self) -> None:
        """Prune what SQL keeps only for a time."""
        if self.is_it():
            self.platform.prune(self.lived())
