"""Whether the parts that a platform leans on answer: for `/healthz`, the overview, the metrics and `doctor`.

A part that is away is a finding, not an error: the others are asked all the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import redis

from app.errors import PenstockError, Unavailable
from app.store import migrate


class Health:
    def __init__(self, platform: Any):
        self.platform = platform
        self._migrated = False

    def look(self) -> dict[str, Any]:
        """Each part: "ok", or what is wrong with it; None for what can't be asked without another."""
        platform = self.platform
        found: dict[str, Any] = {
            "redis": _ask(lambda: platform.redis.ping()),
            "database": _ask(platform.database.ping),
        }
        found["migrations"] = _ask(self._be_migrated) if found["database"] == "ok" else "not known"
        reachable = found["redis"] == "ok"
        found["workers"] = len(platform.workers.list()) if reachable else None
        found["archive_lag"] = platform.subscriptions.archive_lag() if reachable else None
        return found

    def _be_migrated(self) -> None:
        """Raises `Unavailable` where tables are missing; looks no more once they were all there."""
        if self._migrated:
            return
        missing = migrate.missing(self.platform.database)
        missing += migrate.missing(self.platform.archive_database, "archive")
        if missing:
            raise Unavailable(f"{len(missing)} migrations are missing: run `python -m app migrate`")
        self._migrated = True


def _ask(question: Callable[[], object]) -> str:
    try:
        question()
    except (redis.RedisError, PenstockError, OSError) as error:
        return str(error) or type(error).__name__
    return "ok"
