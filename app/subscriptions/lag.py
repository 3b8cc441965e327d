"""A look at how far each subscription is behind, a few times a minute, for the charts."""

from __future__ import annotations

from typing import Any

from app.store.bulk import Bulk
from app.store.coarse import write_lags
from app.store.columns import key
from app.store.projection.consumers import SYSTEM_LANE


def note_lags(platform: Any) -> None:
    """Write how far every active subscription is behind now; of a minute's looks the worst stays."""
    minute = int(platform.clock.now() // 60)
    behind = platform.subscriptions.behind()
    rows = [(minute, key(row["name"]), row["backlog"], row["oldest"] or 0.0) for row in behind]
    apart = [key(row["name"]) for row in behind if row["lane"] == SYSTEM_LANE]
    with platform.database.session() as session:
        write_lags(Bulk(session), sorted(rows), apart)
