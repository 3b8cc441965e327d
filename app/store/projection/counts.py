"""Records to rollups: sums per minute and subscription, each record counted once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from app.store.bulk import Bulk
from app.store.deliveries import AppliedRecord, Rollup
from app.store.projection.record import Record

STATES = ("succeeded", "retrying", "parked", "cancelled", "excluded")
_COLUMNS = (
    "minute", "subscription", *STATES, "waited", "waited_max", "worked", "worked_max",
)  # fmt: skip


def not_applied(bulk: Bulk, records: Sequence[Record], now: float) -> list[Record]:
    """Those of the records that are new, each once; they are marked as applied."""
    new = {record.id: record for record in records}
    sql = f"SELECT id FROM applied_records WHERE {bulk.any_of('id')}"
    for (id,) in bulk.rows(sql, bulk.listed(new)):
        del new[id]
    bulk.insert(AppliedRecord, ("id", "at"), [(id, now) for id in sorted(new)])
    return list(new.values())


def apply(bulk: Bulk, records: Sequence[Record]) -> None:
    minutes: dict[tuple[int, str], list[float]] = defaultdict(lambda: [0] * 5 + [0.0] * 4)
    for record in records:
        row = minutes[int(record.at // 60), record.subscription]
        for place, state in enumerate(STATES):
            row[place] += record.counts.get(state, 0)
        for place, took in ((5, record.waited), (7, record.worked)):
            row[place] += took.get("sum", 0.0)
            row[place + 1] = max(row[place + 1], took.get("max", 0.0))
    rows = [(*place, *minutes[place]) for place in sorted(minutes)]
    bulk.insert(Rollup, _COLUMNS, rows, _ADD)


_ADD = "ON CONFLICT (minute, subscription) DO UPDATE SET " + ", ".join(
    [f"{name} = rollups.{name} + excluded.{name}" for name in (*STATES, "waited", "worked")]
    + [
        f"{name} = CASE WHEN excluded.{name} > rollups.{name}"
        f" THEN excluded.{name} ELSE rollups.{name} END"
        for name in ("waited_max", "worked_max")
    ]
)
