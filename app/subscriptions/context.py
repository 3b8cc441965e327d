"""What a handler is given beside its event."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import structlog

from app.events.event import Event
from app.events.ids import delivery_id
from app.streams.entry import Entry

if TYPE_CHECKING:
    from sqlmodel import Session

    from app.subscriptions.effects import Effects


class Context:
    """One attempt of one delivery; for a batch handler, of all its deliveries.

    `emit` publishes with the settle, or not at all. `session` is a SQL
    transaction that is opened at its first use and commits together with the
    mark that this delivery is done, so what is written through it happens
    once; don't hold it over long work. `delivery_id` is the idempotency key
    to hand to anything else.
    """

    __slots__ = (
        "attempt",
        "effects",
        "emitted",
        "entries",
        "entry",
        "event",
        "generation",
        "platform",
        "subscription",
    )

    def __init__(
        self,
        subscription: str,
        event: Event,
        entries: Sequence[Entry],
        generation: int,
        platform: Any = None,
        effects: Effects | None = None,
    ):
        self.subscription = subscription
        self.event = event
        self.entries = entries
        self.entry = entries[0]
        self.generation = generation
        self.attempt = len(self.entry.attempts) + 1
        self.platform = platform
        self.effects = effects
        self.emitted: list[Any] = []

    def emit(self, type: str, data: Any = None, key: str | None = None) -> None:
        """Publish an event of a declared type when this delivery is settled."""
        self.emitted.append(Event(type=type, data=data, partitionkey=key))

    @property
    def delivery_id(self) -> str:
        """The same for every attempt of this delivery; another after a replay or rewind."""
        return delivery_id(self.event.source, self.event.id, self.subscription, self.generation)

    @property
    def correlationid(self) -> str:
        """The run that this delivery belongs to."""
        return self.event.correlationid or self.event.id

    @property
    def replay(self) -> str | None:
        """The id of the replay that sent this delivery, or None."""
        return self.entry.replay

    @property
    def session(self) -> Session:
        """The SQL transaction of this attempt."""
        if self.effects is None:
            raise RuntimeError(
                "this platform has no database: build it with one to use ctx.session"
            )
        return self.effects.session

    @property
    def blobs(self) -> Any:
        """The blob store."""
        return self.platform.blobs

    @property
    def log(self) -> Any:
        """A logger that names the subscription, the event and the run in every line."""
        return structlog.get_logger(self.subscription).bind(
            subscription=self.subscription,
            event=self.event.id,
            type=self.event.type,
            correlationid=self.correlationid,
            attempt=self.attempt,
        )
