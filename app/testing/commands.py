"""Commands in memory: which are parked is read from the records that settles write."""

from __future__ import annotations

from typing import Any

from app.cqrs.commands import Commands
from app.events.event import Event
from app.store.commands import SUBSCRIPTION
from app.streams.broker import RECORDS
from app.testing.seen import Seen
from app.testing.streams import BEGIN


class MemoryCommands(Commands):
    """The real ones; nothing is discarded here, so nothing reads so."""

    def state(self, id: str, actor: str | None = None) -> dict[str, Any]:
        told = super().state(id, actor)
        if told["state"] != "waiting":
            return told
        seen = Seen()
        for _, fields in self.platform.streams.after(RECORDS, BEGIN):
            seen.note(Event.from_bytes(fields[1]).data)
        for letter in seen.parked.values():
            if (letter.event.id, letter.subscription) == (id, SUBSCRIPTION):
                return {**told, "state": "parked", "letter": letter.id}
        return told
