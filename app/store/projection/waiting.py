"""Deliveries that were expected and won't come."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from app.store.archive import Archive
from app.store.bulk import Bulk
from app.store.projection.consumers import Known

_WAITS = "subscription = ? AND state = 'waiting' AND NOT settled"


def cancel(bulk: Bulk, subscription: str, before: float | None, now: float) -> set[str]:
    """The runs of what was cancelled."""
    where = _WAITS
    parameters: list[Any] = [subscription]
    if before is not None:
        where, parameters = f"{where} AND published < ?", [*parameters, before]
    found = bulk.rows(f"SELECT DISTINCT correlationid FROM deliveries WHERE {where}", *parameters)
    bulk.run(
        f"UPDATE deliveries SET state = 'cancelled', settled = ?, ended = ? WHERE {where}",
        True,
        now,
        *parameters,
    )
    return {correlationid for (correlationid,) in found}


def refilter(bulk: Bulk, subscription: str, known: Known, archive: Archive) -> set[str]:
    """The runs of what no longer passes the subscription's filter; those rows are deleted."""
    rows = bulk.rows(
        f"SELECT event_id, event_source, correlationid, published FROM deliveries WHERE {_WAITS}",
        subscription,
    )
    gone: list[tuple[Any, ...]] = []
    for chunk in _chunks(rows, 500):
        waits = {(row[0], row[1]): row for row in chunk}
        for arrival in archive.select({"ids": [row[0] for row in chunk]}, limit=10_000).items:
            row = waits.get((arrival.event.id, arrival.event.source))
            if row and subscription not in known.consumers_of(arrival.event, row[3]):
                gone.append((row[0], row[1], subscription, row[2]))
    bulk.many(
        "DELETE FROM deliveries WHERE event_id = ? AND event_source = ? AND subscription = ?"
        " AND state = 'waiting'",
        [row[:3] for row in gone],
    )
    return {row[3] for row in gone}


def _chunks(rows: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    for start in range(0, len(rows), size):
        yield rows[start : start + size]
