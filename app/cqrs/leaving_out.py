"""Leaving out what only newer code reads, after a release was rolled back for good.

An operator says so once for all such events of a type up to a position, and is told before how many
there are. What lies between them and this code reads is taken as ever; where newer code is back, it
reads them, too. A rebuild meets all of them again.
"""

from __future__ import annotations

from typing import Any

from app.cqrs import stopping
from app.events.schema import version_in
from app.store.eventstore.recorded import Recorded
from app.store.followers import FollowerRow


def ahead(event_store: Any, row: FollowerRow, until: int | None = None) -> dict[str, Any] | None:
    """`{"type", "above", "events", "until"}` of a build that waits for newer code; None where no event makes it.

    So many events of the type, of a version above that one, lie behind its position, up to `until`: by
    default the newest there is. It is never before the event that stopped it.
    """
    by = stopping.event_of(row)
    above = stopping.knows(row)
    if by is None or above is None:
        return None
    head = event_store.head()
    until = max(head if until is None else min(until, head), by["position"])
    found = event_store.schemas_between(by["type"], row.position, until)
    events = sum(number for schema, number in found.items() if (version_in(schema) or 0) > above)
    return {"type": by["type"], "above": above, "events": events, "until": until}


def mark(row: FollowerRow, what: dict[str, Any]) -> None:
    """Have its follower leave these out when it comes to them."""
    row.leaves_out = {name: what[name] for name in ("type", "above", "until")}
    stopping.no_more(row)


def covers(row: FollowerRow, recorded: Recorded) -> bool:
    """Whether an operator said so of this event."""
    said, event = row.leaves_out, recorded.event
    return bool(
        said
        and event.type == said["type"]
        and recorded.position <= said["until"]
        and (version_in(event.dataschema) or 0) > said["above"]
    )
