"""A look at how far each subscription is behind, a few times a minute, for the charts."""

from __future__ import annotations

from typing import Any

from app.store.bulk import Bulk
from app.store.coarse import worse, write_lags
from app.store.columns import key
from app.store.projection.consumers import SYSTEM_LANE

Lag = tuple[int | None, float]


class Lags:
    """Notes lags in SQL. Of a minute's looks the worst stays, so what is not worse is not written again."""

    def __init__(self, platform: Any):
        self.platform = platform
        self._minute = -1
        self._noted: dict[str, Lag] = {}

    def note(self) -> None:
        """Write how far every active subscription is behind now."""
        minute = int(self.platform.clock.now() // 60)
        if minute != self._minute:
            self._minute, self._noted = minute, {}
        behind = self.platform.subscriptions.behind()
        lags: dict[str, Lag] = {
            key(row["name"]): (row["backlog"], row["oldest"] or 0.0) for row in behind
        }
        new = {name: lag for name, lag in lags.items() if not self._is_noted(name, lag)}
        if not new:
            return
        apart = [key(row["name"]) for row in behind if row["lane"] == SYSTEM_LANE]
        with self.platform.database.session() as session:
            rows = sorted((minute, name, *lag) for name, lag in new.items())
            write_lags(Bulk(session), rows, apart)
        self._noted |= {name: worse(self._noted.get(name), lag) for name, lag in new.items()}

    def _is_noted(self, name: str, lag: Lag) -> bool:
        noted = self._noted.get(name)
        return noted is not None and worse(noted, lag) == noted
