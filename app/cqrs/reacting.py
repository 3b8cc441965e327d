"""What a reactor's function returns, as events: caused by the one it answers, under ids of it.

The ids are derived, so that whoever answers the event once more publishes nothing twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from app.clock import instant
from app.cqrs.declaration import Declared
from app.errors import Refused
from app.events.event import Event
from app.events.ids import derived_id
from app.subscriptions.outputs import event_of


def answers(platform: Any, declared: Declared, returned: Any, cause: Event) -> Sequence[Event]:
    """Checked, for the outbox. Raises `Refused` for what a projection returns, and what `prepare` raises."""
    if returned is None:
        return ()
    if declared.kind == "projection":
        raise Refused("a projection has no effects, so it returns nothing: use @reactor")
    outputs = returned if isinstance(returned, list | tuple) else [returned]
    caused = [_caused(platform, declared, one, cause, index) for index, one in enumerate(outputs)]
    return [one.event for one in platform.preparer.prepare(caused)]


def _caused(platform: Any, declared: Declared, output: Any, cause: Event, index: int) -> Event:
    now = instant(platform.clock.now())
    made = event_of(output, declared.emits, platform.catalogue, now)
    return made.but(
        id=derived_id(cause.source, cause.id, "reactor", declared.name, index),
        source=f"/reactors/{declared.name}",
        time=now,
        partitionkey=made.partitionkey or cause.partitionkey,
        correlationid=cause.correlationid or cause.id,
        causationid=cause.id,
    )
