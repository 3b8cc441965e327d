"""The events by which workers are asked: `command.given`, its `.done` and `.refused`; what is `.asked`."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from app.events.schema import event_type
from app.events.sensitive import sensitive
from app.events.topics import (
    AGGREGATE_ASKED,
    COMMAND_DONE,
    COMMAND_GIVEN,
    COMMAND_REFUSED,
    PROJECTION_ASKED,
)


@event_type(COMMAND_GIVEN, version=1)
class CommandGiven(BaseModel):
    """Somebody asked for something; `may` are the levels that they have, None where our own code asks.

    `takes` is a digest of what the command took, and of whom, where it was checked: a worker with another one leaves
    it to those who have that.
    """

    command: str
    asked: Any = sensitive(default=None)
    actor: str
    may: list[str] | None = None
    key: str | None = None
    takes: str | None = None
    interface: str | None = None
    address: str | None = None


@event_type(COMMAND_DONE, version=1)
class CommandDone(BaseModel):
    """What the command answered; `position` is where its events end in the event store."""

    command: str
    actor: str
    answer: Any = sensitive(default=None)
    position: int | None = None


@event_type(COMMAND_REFUSED, version=1)
class CommandRefused(BaseModel):
    """Why the command did nothing: `kind` for programs, `detail` for people.

    `detail` and `problems` may repeat what was asked, which is masked.
    """

    command: str
    actor: str
    kind: str
    detail: str = sensitive()
    problems: list[dict[str, Any]] = sensitive(default=[])


@event_type(AGGREGATE_ASKED, version=1, topic="command")
class AggregateAsked(BaseModel):
    """Somebody wants to see an aggregate's fields as of a version."""

    stream: str
    version: int
    actor: str


@event_type(PROJECTION_ASKED, version=1, topic="command")
class ProjectionAsked(BaseModel):
    """Somebody wants to see a projection's rows as of a position; `at` is the time that they gave."""

    projection: str
    position: int
    at: float | None = None
    actor: str
