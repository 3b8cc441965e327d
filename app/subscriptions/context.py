"""What a handler is given beside its event."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import structlog

from app.clock import instant
from app.events.event import Event
from app.events.ids import delivery_id
from app.events.topics import COMMAND_GIVEN
from app.streams.entry import Entry
from app.subscriptions.effects import Effects

if TYPE_CHECKING:
    from sqlmodel import Session

    from app.subscriptions.delivery import Handling


class Context:
    """One attempt of one delivery; for a batch handler, of all its deliveries.

    `emit` publishes with the settle, or not at all. `session` is a SQL
    transaction that is opened at its first use and commits together with the
    mark that this delivery is done, so what is written through it happens
    once; don't hold it over long work. `delivery_id` is the idempotency key
    to hand to anything else.
    """

    __slots__ = ("_handling", "about", "effects", "emitted", "entries", "event")

    def __init__(self, handling: Handling, entries: Sequence[Entry], event: Event):
        self._handling = handling
        self.entries = entries
        self.event = event
        self.emitted: list[Event] = []
        self.effects: Effects | None = None
        self.about: str | None = None
        """The subject of what is published without one."""

    @property
    def subscription(self) -> str:
        """The subscription's name."""
        return self._handling.name

    @property
    def attempt(self) -> int:
        """Which try of this delivery it is, from 1."""
        return len(self.entries[0].attempts) + 1

    @property
    def generation(self) -> int:
        """Rises with each replay or rewind."""
        return self._handling.generation_of(self.entries[0])

    @property
    def platform(self) -> Any:
        """The platform that this process works with."""
        return self._handling.platform

    def emit(self, type: str, data: Any = None, key: str | None = None) -> None:
        """Publish an event of a declared type when this delivery is settled."""
        now = instant(self._handling.clock.now())
        self.emitted.append(Event(type=type, data=data, partitionkey=key, time=now))

    def command(self, name: str, asked: Any = None, key: str | None = None) -> None:
        """Give a command when this delivery is settled; `command.done` or `command.refused` answers.

        A `key` makes it once for this subscription, whichever delivery gives it. Raises
        `NotFound` or `InvalidCommand` where there is no such command, or it takes something else.
        """
        takes = self.platform.commands.check(name, asked, key)
        given = {"command": name, "asked": asked, "actor": f"subscription:{self.subscription}"}
        now = instant(self._handling.clock.now())
        data = {**given, "may": None, "key": key, "takes": takes}  # a handler's code may give any
        self.emitted.append(Event(type=COMMAND_GIVEN, data=data, subject=name, time=now))

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
        return self.entries[0].replay

    @property
    def session(self) -> Session:
        """The SQL transaction of this attempt."""
        if self.effects is None:
            if self._handling.database is None:
                raise RuntimeError(
                    "this platform has no database: build it with one to use ctx.session"
                )
            self.effects = Effects(self._handling.database)
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
