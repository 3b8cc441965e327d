"""Telling of alerts: events for what changed and nobody was told yet.

Their ids come from the alert's, so telling again after a crash is accepted once. A muted
alert is told only if it is still up when the mute ends.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import structlog

from app.alerts import words
from app.errors import Unavailable
from app.events.event import Event
from app.store.alerts import OPEN, AlertMuteRow, AlertRow, AlertStore
from app.store.moments import iso

SOURCE = "/alerts"
Place = tuple[str, str]

log = structlog.get_logger(__name__)


def tell(platform: Any, store: AlertStore) -> None:
    """Publish what was not told yet; what can't be now is told the next time."""
    mutes = store.mutes(float(platform.clock.now()))
    for row in store.untold():
        if mute_of(mutes, row) and row.state == OPEN:
            continue
        # What came and went unheard, under a mute, is told to nobody.
        silent = row.told < 1 and row.state != OPEN and mute_of(mutes, row)
        events = [] if silent else _events(row)
        try:
            platform.publisher.publish(events)
        except Unavailable as error:
            log.warning("an alert could not be told; trying again", error=str(error))
            return
        with platform.database.session() as session:
            told = session.get(AlertRow, row.id)
            if told is not None:
                told.told = 2 if row.state != OPEN else 1
                session.add(told)


def mute_of(mutes: Mapping[Place, AlertMuteRow], row: AlertRow) -> AlertMuteRow | None:
    """The mute that keeps an alert quiet, if there is one."""
    return mutes.get((row.rule, row.target)) or mutes.get((row.rule, ""))


def _events(row: AlertRow) -> list[Event]:
    """The events that are still owed: of raising, of resolving, or both in this order."""
    facts = {
        "alert": row.id,
        "rule": row.rule,
        "measure": row.measure,
        "target": row.target,
        "severity": row.severity,
        "value": row.value,
        "above": row.above,
        "summary": words.summary(row.measure, row.target, row.value, row.above),
        "page": words.page(row.measure, row.target),
        "raised": iso(row.raised),
    }
    raised = Event(type="alert.raised", id=row.id, data=facts, **_about(row))
    if row.state == OPEN:
        return [raised]
    resolved = Event(
        type="alert.resolved",
        id=f"{row.id}:resolved",
        correlationid=row.id,
        causationid=row.id,
        data={**facts, "resolved": iso(row.resolved), "reason": row.reason or ""},
        **_about(row),
    )
    return [resolved] if row.told else [raised, resolved]


def _about(row: AlertRow) -> dict[str, Any]:
    return {"source": SOURCE, "subject": row.target, "partitionkey": row.target}
