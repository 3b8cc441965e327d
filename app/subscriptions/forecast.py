"""What a replay will cause, by recent experience: events and deliveries, level by level.

A forecast and no promise: averages of the newest hundred events of each type. What no
experience tells of (nothing of the type was handled lately) is left out and named.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from app.store.experience import Experience, experience

LEVELS = 4
Sends = Mapping[tuple[str, str], float]
"""How many events of a type go to a subscription: (subscription, type) to a number."""


class Forecast:
    """Follows what is sent through the subscriptions that take what it emits."""

    def __init__(self, platform: Any):
        self.platform = platform
        self.rows = {row["name"]: row for row in platform.subscription_store.all()}
        self._known: dict[tuple[str, str], Experience] = {}

    def downstream(self, sends: Sends) -> dict[str, Any]:
        """`emitted` and `handled`, each by level, and `unknown`: what nothing tells of."""
        emitted: list[dict[str, Any]] = []
        handled: list[dict[str, Any]] = []
        unknown: list[dict[str, str]] = []
        level, now = 1, dict(sends)
        seen = set(now)
        while now and level <= LEVELS:
            produced: dict[str, float] = defaultdict(float)
            for (name, type), number in sorted(now.items()):
                past = self._experience(name, type)
                if not past.handled:
                    unknown.append({"subscription": name, "type": type})
                for made, average in past.emits.items():
                    produced[made] += number * average
            emitted += [
                {"level": level, "type": type, "events": round(number)}
                for type, number in sorted(produced.items())
                if round(number)
            ]
            now = {
                where: number
                for where, number in self._takers(produced).items()
                if where not in seen
            }
            seen |= set(now)
            handled += [
                {
                    "level": level,
                    "subscription": name,
                    "type": type,
                    "deliveries": round(number),
                    "effects": self.effects_of(name),
                }
                for (name, type), number in sorted(now.items())
            ]
            level += 1
        return {"emitted": emitted, "handled": handled, "unknown": unknown}

    def effects_of(self, name: str) -> str | None:
        """What the handler's author declared: none, idempotent, unsafe; None where nothing."""
        row = self.rows.get(name)
        return row.get("effects") if row else None

    def _takers(self, produced: Mapping[str, float]) -> dict[tuple[str, str], float]:
        """Who takes what was emitted, and how much of it."""
        takers: dict[tuple[str, str], float] = {}
        for row in self.rows.values():
            if not row["active"] or row["lane"] == "system":
                continue
            for type, number in produced.items():
                if type in row["types"] or "*" in row["types"]:
                    past = self._experience(row["name"], type)
                    share = past.taken / past.sample if past.taken else 1.0
                    if round(number * share):
                        takers[row["name"], type] = number * share
        return takers

    def _experience(self, name: str, type: str) -> Experience:
        where = name, type
        if where not in self._known:
            self._known[where] = experience(
                self.platform.database, self.platform.archive, name, type
            )
        return self._known[where]
