"""Whether the claims on idempotency keys are still in living hands.

A process beats for those that it holds. One that finds another's waits and looks: where nothing changed for
`STILL` seconds by its own clock, whoever made it is dead. So clocks of machines may differ, and while
nobody could beat, since the database was away, nobody is declared dead. Of a process of the same
place it is known at once, and one that lives there keeps its claims, however still it stands.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from app import living
from app.clock import Clock
from app.errors import Unavailable

PERIOD = 2.0
"""Seconds between two beats, and between two looks."""
STILL = 12.0
"""Seconds without a beat after which a claim is a dead process's."""
LOST = 3 * PERIOD
"""Seconds without a look after which looking begins anew."""
LONGEST = 3600.0
"""Seconds for which a process beats for one claim: something is wrong with what takes longer."""
WATCHED = 60.0
"""Seconds after which nobody looks any more at a claim that nobody asked for again."""

log = structlog.get_logger(__name__)


@dataclass
class Watched:
    """What was seen of another's claim, since when unchanged, and when somebody last asked."""

    seen: tuple[str, int]
    since: float
    asked: float


class Claims:
    """`beat` says of a claim that it is held, `look` what is kept of one. One thread, while it has something to do."""

    def __init__(
        self,
        clock: Clock,
        beat: Callable[[Any], None],
        look: Callable[[Any], Mapping[str, Any] | None],
    ):
        self._clock, self._beat, self._look = clock, beat, look
        self._held: dict[Any, float] = {}
        self._watched: dict[Any, Watched] = {}
        self._looked = float("-inf")
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closed = threading.Event()

    def hold(self, name: Any) -> None:
        """From now on this process is at it."""
        with self._lock:
            self._held[name] = self._clock.monotonic()
            self._go()

    def drop(self, name: Any) -> None:
        """It is done with it."""
        with self._lock:
            self._held.pop(name, None)

    def lives(self, name: Any, kept: Mapping[str, Any]) -> bool:
        """Whether somebody is still at what is claimed so; who can't tell yet looks at it from now on."""
        if "by" not in kept:
            return True  # of a release that doesn't beat
        told = living.fate(kept["by"])
        if told != "unknown":
            return told == "alive"
        now, seen = self._clock.monotonic(), (kept["token"], kept.get("beat", 0))
        with self._lock:
            known = self._watched.get(name)
            if known is None or known.seen != seen:
                self._watched[name] = Watched(seen, now, now)
                self._go()
                return True
            known.asked = now
            return not self._is_still(known)

    def turn(self) -> bool:
        """Beat for what is held, look at what is watched; whether there was anything to do."""
        with self._lock:
            now = self._clock.monotonic()
            self._held = {n: since for n, since in self._held.items() if now - since < LONGEST}
            self._watched = {n: w for n, w in self._watched.items() if now - w.asked < WATCHED}
            held, watched = [*self._held], [*self._watched]
        try:
            for name in held:
                self._beat(name)
            found = {name: self._look(name) for name in watched}
        except Unavailable as error:
            log.warning("no beat for what is done once for its key", error=str(error))
            return True
        with self._lock:
            now = self._clock.monotonic()
            anew = now - self._looked > LOST
            self._looked = now
            for name, kept in found.items():
                self._compare(name, kept, now, anew)
        return bool(held or watched)

    def _compare(self, name: Any, kept: Mapping[str, Any] | None, now: float, anew: bool) -> None:
        known = self._watched.get(name)
        if known is None:
            return
        seen = (kept["token"], kept.get("beat", 0)) if kept and "token" in kept else None
        if seen is None:
            del self._watched[name]  # it was answered
        elif anew or seen != known.seen:
            known.seen, known.since = seen, now

    def _is_still(self, known: Watched) -> bool:
        """Only what was looked at until now counts: nobody may be able to beat at the moment."""
        return self._looked - known.since >= STILL

    def _go(self) -> None:
        if self._thread is None or self._closed.is_set() or not self._thread.is_alive():
            self._closed = threading.Event()
            self._thread = threading.Thread(target=self._run, name="penstock-claims", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """End the thread; a claim begins another."""
        self._closed.set()

    def _run(self) -> None:
        closed = self._closed
        while not closed.wait(PERIOD):
            if not self.turn():
                with self._lock:
                    if not self._held and not self._watched:
                        self._thread = None
                        return
