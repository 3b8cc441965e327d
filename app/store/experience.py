"""What a subscription lately made of events of a type: how many it took, and what it emitted.

From the newest archived events of the type and their deliveries. An emitted event is known
by its id, which derives from its cause and the subscription: two subscriptions that take the
same event are told apart.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any, NamedTuple

from app.events.ids import emitted_id
from app.store.archive import Archive
from app.store.bulk import Bulk
from app.store.columns import key
from app.store.database import Database

SAMPLE = 100


class Experience(NamedTuple):
    """`sample` events of the type; `taken` and `handled` the deliveries of them; `emits` averages."""

    sample: int
    taken: int
    handled: int
    emits: dict[str, float]


def experience(database: Database, archive: Archive, subscription: str, type: str) -> Experience:
    """Of the newest events of the type. All zero where there is nothing to go by."""
    events = archive.find(type=type, limit=SAMPLE).items
    ids = [key(event["id"]) for event in events]
    if not ids:
        return Experience(0, 0, 0, {})
    with database.read() as session:
        bulk = Bulk(session)
        deliveries = bulk.rows(
            "SELECT event_id, event_source, generation, correlationid, state FROM deliveries"
            f" WHERE {bulk.any_of('event_id')} AND subscription = ?",
            bulk.listed(ids),
            key(subscription),
        )
        handled = [row for row in deliveries if row[4] == "succeeded"]
        if not handled:
            return Experience(len(ids), len(deliveries), 0, {})
        children = bulk.rows(
            f"SELECT event_id, type, causationid FROM run_events WHERE {bulk.any_of('correlationid')}"
            f" AND {bulk.any_of('causationid')}",
            bulk.listed(sorted({row[3] for row in handled})),
            bulk.listed(sorted({row[0] for row in handled})),
        )
    return Experience(
        len(ids), len(deliveries), len(handled), _averages(subscription, handled, children)
    )


def _averages(subscription: str, handled: list[Any], children: list[Any]) -> dict[str, float]:
    of_cause = defaultdict(list)
    for id, type, cause in children:
        of_cause[cause].append((id, type))
    emitted: Counter[str] = Counter()
    for id, source, generation, _, _ in handled:
        caused = of_cause[id]
        ours = {emitted_id(source, id, subscription, generation, n) for n in range(len(caused))}
        emitted.update(type for child, type in caused if child in ours)
    return {type: count / len(handled) for type, count in sorted(emitted.items())}
