"""`@command`: a change that is checked, allowed, done once, and written down.

    class Sell(BaseModel):
        item: str
        pieces: int = Field(gt=0)

    @command("item.sell", takes=Sell)
    def sell(asked, ctx):
        ctx.append(f"item-{asked.item}", [Event(type="item.sold", data={"pieces": asked.pieces})])
        return {"sold": asked.pieces}

What it appends, its answer under the idempotency key and its line in the audit
log are one transaction: a resend after a lost reply finds the answer, and does
nothing. The answer bears the position that a reader can wait for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ValidationError
from sqlmodel import Session

from app.errors import Conflict, NotFound, Refused
from app.events.event import Event
from app.events.schema import field_problems
from app.store import commands as answers
from app.store.columns import to_json

Function = Callable[..., Any]


@dataclass(frozen=True)
class Command:
    """What an author declared; `level` is who may give it: viewer, publisher, operator or administrator."""

    name: str
    takes: type[BaseModel]
    function: Function
    level: str = "operator"


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
        if not (isinstance(takes, type) and issubclass(takes, BaseModel)):
            raise Refused(f"@command {name}: takes= is a pydantic model of what is asked")
        known = registry.commands.get(name)
        if known and known.function.__qualname__ != function.__qualname__:
            raise Refused(f"two commands are called {name}: rename one of them.")
        registry.commands[name] = Command(name, takes, function, level)
        return function

    return register


class CommandContext:
    """What a command works with: its transaction, who gave it, and the event store."""

    def __init__(self, platform: Any, session: Session, actor: str):
        self.platform = platform
        self.session = session
        self.actor = actor
        self.position: int | None = None
        self.before: Any = None
        self.after: Any = None

    def append(
        self, stream: str, events: Sequence[Event], expected_version: int | None = None
    ) -> int:
        """Append in the command's transaction; the stream's new version."""
        done = self.platform.event_store.append(
            stream, events, expected_version, actor=self.actor, session=self.session
        )
        self.position = done.position
        return int(done.version)

    def changed(self, before: Any, after: Any) -> None:
        """What the audit log is to show of it: plain JSON values."""
        self.before, self.after = before, after


class Commands:
    """`platform.commands`."""

    def __init__(self, platform: Any, registry: Registry):
        self.platform = platform
        self.registry = registry

    def execute(
        self,
        name: str,
        asked: Any,
        *,
        actor: str,
        may: Collection[str] = (),
        key: str | None = None,
        **origin: Any,
    ) -> dict[str, Any]:
        """`{"answer", "position"}`; the same again for the same `key` of the same actor.

        `may` are the levels that the actor has; `origin` is noted in the audit log.
        Raises `NotFound`, `Refused` (not allowed, or not valid), and `Conflict` where the key
        was used for something else; whatever the command raises undoes all of it.
        """
        one = self.registry.commands.get(name)
        if one is None:
            raise NotFound(f"There is no command {name!r}.")
        if one.level not in may:
            raise Refused(f"{actor} may not give {name}: it takes the role {one.level}.")
        wanted = self._validated(one, asked)
        now = self.platform.clock.now()
        given = hashlib.sha256(to_json(wanted.model_dump(mode="json")).encode()).hexdigest()
        with self.platform.database.session() as session:
            row = answers.opened(session, name, actor, key, given, now) if key else None
            if row is not None and row.given != given:
                raise Conflict(f"The idempotency key {key!r} was used for another {name} before.")
            if row is not None and row.answer is not None:
                return dict(row.answer)
            ctx = CommandContext(self.platform, session, actor)
            answer = one.function(wanted, ctx)
            told = {"answer": answer, "position": ctx.position}
            if row is not None:
                row.answer = told
                session.add(row)
            self.platform.audit.record(
                actor, f"command.{name}", name, ctx.before, ctx.after, session=session,
                asked=wanted.model_dump(mode="json"), position=ctx.position, key=key, **origin,
            )  # fmt: skip
        return told

    @staticmethod
    def _validated(one: Command, asked: Any) -> BaseModel:
        try:
            return one.takes.model_validate(asked)
        except ValidationError as error:
            faults = "; ".join(
                f"{fault['field']}: {fault['problem']}" for fault in field_problems(error)
            )
            raise Refused(f"{one.name}: {faults}") from error
