"""`@command`: what an author declares, and what the declared function is given.

class Sell(BaseModel):
    item: str
    pieces: int = Field(gt=0)

@command("item.sell", takes=Sell)
def sell(asked, ctx):
    ctx.append(f"item-{asked.item}", [Event(type="item.sold", data={"pieces": asked.pieces})])
    return {"sold": asked.pieces}
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import msgspec
from pydantic import BaseModel
from sqlmodel import Session

from app.cqrs.changed import Fields, changed
from app.errors import Refused
from app.events.catalogue import plain_data
from app.events.event import Event
from app.subscriptions.declaration import check_function, place_of, same_function

Function = Callable[..., Any]

LEVELS = ("viewer", "publisher", "operator", "administrator")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*")


@dataclass(frozen=True)
class Command:
    """What an author declared; `level` is who may give it: viewer, publisher, operator or administrator."""

    name: str
    takes: type[BaseModel]
    function: Function
    level: str = "operator"

    @cached_property
    def shape(self) -> str:
        """A digest of what it takes and of whom: another one is another release's."""
        return shape_of(self.level, self.takes.model_json_schema())

    def describe(self) -> dict[str, Any]:
        """As SQL keeps it for processes that don't import the author's code."""
        return {
            "name": self.name,
            "module": self.function.__module__,
            "level": self.level,
            "json_schema": self.takes.model_json_schema(),
            "doc": (self.function.__doc__ or self.takes.__doc__ or "").strip(),
        }


def digest(value: Any) -> str:
    """The same for the same fields and values."""
    plain = msgspec.json.encode(plain_data(value), order="deterministic")
    return hashlib.sha256(plain).hexdigest()


def shape_of(level: str, schema: Any) -> str:
    return digest([level, schema])


@dataclass
class Registry:
    """The commands that the imported modules declare, by name."""

    commands: dict[str, Command] = field(default_factory=dict)


COMMANDS = Registry()


def command(
    name: str, *, takes: type[BaseModel], level: str = "operator", registry: Registry = COMMANDS
) -> Callable[[Function], Function]:
    """Register a function `(asked, ctx)`; `asked` is a `takes` that was validated."""

    def register(function: Function) -> Function:
        check_function(function, f"@command {name}", "its function", ("asked", "ctx"))
        if not (
            isinstance(takes, type) and issubclass(takes, BaseModel) and takes is not BaseModel
        ):
            raise Refused(f"@command {name}: takes= is a pydantic model of what is asked")
        if not _NAME.fullmatch(name) or len(name) > 100:
            raise Refused(f"@command {name!r}: name it like item.sell: letters, digits, -, _ and .")
        if name == "answers":
            raise Refused("@command answers: answers are asked for under that name; take another.")
        if level not in LEVELS:
            raise Refused(f"@command {name}: level is {', '.join(LEVELS[:-1])} or {LEVELS[-1]}")
        known = registry.commands.get(name)
        if known and not same_function(known.function, function):
            raise Refused(
                f"two commands are called {name}: {place_of(known.function)} and {place_of(function)}."
                " Rename one of them."
            )
        registry.commands[name] = Command(name, takes, function, level)
        return function

    return register


class CommandContext:
    """What a command works with: its transaction, who gave it, and the event store.

    `cause` is the event that brought the command, where one did. `streams` are those that it
    appended to, with their new versions; `before` and `after` what it changed of aggregates.
    """

    def __init__(self, platform: Any, session: Session, actor: str, cause: Event | None = None):
        self.platform = platform
        self.session = session
        self.actor = actor
        self.cause = cause
        self.position: int | None = None
        self.streams: dict[str, int] = {}
        self.before: Any = None
        self.after: Any = None
        self._said = False

    def append(
        self, stream: str, events: Sequence[Event] | Event, expected_version: int | None = None
    ) -> int:
        """Append in the command's transaction; the stream's new version."""
        given = [events] if isinstance(events, Event) else events
        done = self.platform.event_store.append(
            stream, self._caused(given), expected_version, actor=self.actor, session=self.session
        )
        self._appended(stream, done)
        return int(done.version)

    @contextmanager
    def edit(self, cls: Any, id: str) -> Iterator[Any]:
        """An aggregate, saved in the command's transaction at the end of the block."""
        aggregates, kind = self.platform.aggregates, cls.kind()
        one = aggregates.load(kind, id, session=self.session)
        before = aggregates.fields(kind, one)
        yield one
        one.pending = self._caused(one.pending)
        done = aggregates.save(one, actor=self.actor, session=self.session)
        if done is not None:
            self._appended(kind.stream(id), done)
            self._changed(kind.stream(id), before, aggregates.fields(kind, one))

    def decide(self, decider: Any, id: str, command: Any) -> Any:
        """Have a decider decide in the command's transaction; its `state` and `version` after that."""
        aggregates, kind = self.platform.aggregates, decider.kind
        before, held, done = aggregates.decided(
            decider, id, command, caused=self._caused, actor=self.actor, session=self.session
        )
        if done is not None:
            self._appended(kind.stream(id), done)
            fields = aggregates.fields
            self._changed(kind.stream(id), fields(kind, before), fields(kind, held))
        return held

    def changed(self, before: Any, after: Any) -> None:
        """What the audit log is to show of it, instead of the aggregates' fields: plain JSON values."""
        self.before, self.after, self._said = before, after, True

    def _appended(self, stream: str, done: Any) -> None:
        self.position, self.streams[stream] = done.position, int(done.version)

    def _changed(self, stream: str, before: Fields, after: Fields) -> None:
        if self._said:
            return
        was, now = changed(before, after)
        self.before = {**(self.before or {}), stream: was}
        self.after = {**(self.after or {}), stream: now}

    def _caused(self, events: Sequence[Event]) -> list[Event]:
        if self.cause is None:
            return list(events)
        run = self.cause.correlationid or self.cause.id
        return [
            event.but(
                correlationid=event.correlationid or run,
                causationid=event.causationid or self.cause.id,
            )
            for event in events
        ]
