"""Giving commands: checked, allowed, done once, and written down.

`execute` does it here and now, where the author's code is imported. `send` has a worker do
it, by way of a topic, and `wait` brings its answer: that is how the web process, which imports
no author's code, gives them. Either way what a command appends, its answer under the
idempotency key and its line in the audit log are one transaction: a resend after a lost reply
finds the answer, and does nothing. The answer bears the position that a reader can wait for.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import msgspec
import structlog
from pydantic import BaseModel
from sqlmodel import Session

from app import origin
from app.clock import instant
from app.cqrs import deciding, refusals
from app.cqrs.answers import SOURCE, Answers
from app.cqrs.asked import absent, checked_key, id_of, invalid, refuse_level, validated
from app.cqrs.command import LEVELS, Command, CommandContext, Registry, digest, shape_of
from app.cqrs.events import CommandGiven
from app.cqrs.told import settled, told
from app.errors import (
    Conflict,
    EventTooLarge,
    PenstockError,
    Refused,
    Unavailable,
)
from app.events.catalogue import plain_data, schema_problems
from app.events.event import Event
from app.events.topics import COMMAND_GIVEN
from app.store import commands as store
from app.store.commands import CommandRow, Given
from app.store.lent import lent
from app.store.outbox import AT_ONCE

log = structlog.get_logger(__name__)

KEPT = 14 * 86_400.0
"""Seconds for which answers are kept (`app.store.retention`): what is older is not carried out any more."""
AGAIN = 30.0
"""Seconds after which the outbox publishes it, for whoever died before he did or a Redis that forgot it."""


def _handle(id: str) -> str:
    return f"command {id}"


class UnknownCommand(PenstockError):
    """No code that ever started here has this command: its delivery is parked, for a person to see."""


class Commands(Answers):
    """`platform.commands`: what became of them is in `app.cqrs.answers`."""

    def __init__(self, platform: Any, registry: Registry):
        super().__init__(platform)
        self.registry = registry

    # -- which there are

    def declare(self) -> None:
        """Make known what the imported modules declare."""
        declared = [one.describe() for one in self.registry.commands.values()]
        with self.platform.database.session() as session:
            store.declare(session, declared)

    def forget(self, names: Iterable[str]) -> None:
        """Those that no worker's code has any more; what waits of them is parked."""
        if gone := list(names):
            with self.platform.database.session() as session:
                store.undeclare(session, gone)

    def takes(self) -> dict[str, str]:
        """The commands of the imported modules, each with a digest of what it takes."""
        return {name: one.shape for name, one in self.registry.commands.items()}

    def rows(self) -> list[tuple[str, str, str]]:
        """Those that SQL knows: name, module, and the digest of what each takes."""
        with self.platform.database.read() as session:
            return [
                (row.name, row.module, shape_of(row.level, row.json_schema))
                for row in store.known(session)
            ]

    def list(self) -> list[dict[str, Any]]:
        """`{"name", "level", "schema", "doc"}` of each command, by name."""
        with self.platform.database.read() as session:
            found = {row.name: row.model_dump() for row in store.known(session)}
        found |= {name: one.describe() for name, one in self.registry.commands.items()}
        return [
            {"name": name, "level": one["level"], "schema": one["json_schema"], "doc": one["doc"]}
            for name, one in sorted(found.items())
        ]

    def get(self, name: str) -> dict[str, Any]:
        """One of them. Raises `NotFound`."""
        found = next((one for one in self.list() if one["name"] == name), None)
        if found is None:
            raise absent(name)
        return found

    # -- here and now

    def execute(
        self,
        name: str,
        asked: Any,
        *,
        actor: str,
        may: Collection[str] = (),
        key: str | None = None,
    ) -> dict[str, Any]:
        """`{"answer", "position"}`; the same again for the same `key` of the same actor.

        `may` are the levels that the actor has. Raises `NotFound`, `NotAllowed`,
        `InvalidCommand`, and `Conflict` where the key was used for something else; whatever
        the command raises undoes all of it. `app.cqrs.deciding` tells of those who give at once.
        """
        one = self._allowed(name, actor, may)
        wanted = validated(one, asked)
        id = id_of(name, actor, checked_key(key))

        def decide() -> dict[str, Any]:
            with self.platform.database.session() as session:
                row = self._row(session, name, actor, key, id, asked) if key else None
                return settled(row) or self._do(session, one, wanted, actor, row, key)

        found = deciding.again(decide)
        if "kind" in found:
            raise refusals.raised(found)
        return found

    def _do(
        self, session: Session, one: Command, wanted: BaseModel, actor: str,
        row: CommandRow | None, key: str | None, cause: Event | None = None,
    ) -> dict[str, Any]:  # fmt: skip
        ctx = CommandContext(self.platform, session, actor, cause)
        with lent(session):
            answer = plain_data(one.function(wanted, ctx))
        done = {"answer": answer, "position": ctx.position}
        self._check_size(one.name, done)
        if row is not None:
            row.answer = done
            session.add(row)
        self.platform.audit.record(
            actor, f"command.{one.name}", one.name, ctx.before, ctx.after, session=session,
            asked=wanted.model_dump(mode="json"), streams=ctx.streams or None, position=ctx.position,
            key=key, command=row.id if row else None,
        )  # fmt: skip
        return done

    def _check_size(self, name: str, done: dict[str, Any]) -> None:
        """Of an answer, which is sent as an event, too, and kept for a resend."""
        size, most = len(msgspec.json.encode(done)), self.platform.settings.max_event_bytes // 2
        if size > most:
            raise EventTooLarge(
                f"The answer of {name} has {size:,} bytes, more than {most:,} (half of "
                "PENSTOCK_MAX_EVENT_BYTES): answer with what names the rest. Nothing was done."
            )

    # -- by a worker

    def send(
        self,
        name: str,
        asked: Any,
        *,
        actor: str,
        may: Collection[str] = (),
        key: str | None = None,
    ) -> str:
        """Have a worker carry it out; the id to `wait` for. The same `key` of an actor is the same command.

        Where Redis is away it waits in the outbox. Raises what can be told without the author's
        code, as `execute` does, `EventTooLarge`, and `Unavailable` where SQL is away.
        """
        known = self.get(name)
        refuse_level(name, known["level"], actor, may)
        if problems := schema_problems(known["schema"], asked):
            raise invalid(name, problems)
        id = id_of(name, actor, checked_key(key))
        here = origin.current()
        data = {
            "command": name, "asked": asked, "actor": actor, "may": sorted(may), "key": key,
            "takes": shape_of(known["level"], known["schema"]),
            "interface": here.interface, "address": here.address,
        }  # fmt: skip
        now = self.platform.clock.now()
        event = Event(
            type=COMMAND_GIVEN, id=id, source=SOURCE, subject=name, data=data, time=instant(now)
        )
        with self.platform.database.session() as session:
            row = self._row(session, name, actor, key or id, id, asked)
            if settled(row) is not None:
                return id
            self._leave(session, event, now + AGAIN)
        self._publish(event)
        return id

    def _leave(self, session: Session, event: Event, due: float) -> None:
        """To be published then: the row says that it was given, so it is, whoever dies or forgets it."""
        handle = _handle(event.id)
        self.platform.outbox.call_back(session, handle)  # of an earlier try
        self.platform.outbox.add(session, [event], due=due, handle=handle)

    def _publish(self, event: Event) -> None:
        """At once. What the outbox has of it is a duplicate then, which changes nothing."""
        try:
            self.platform.publisher.publish([event], ours=True)
        except Unavailable as error:
            log.warning("a command waits in the outbox", id=event.id, error=str(error))
            with self.platform.database.session() as session:
                self._leave(session, event, AT_ONCE)
        except PenstockError:
            with self.platform.database.session() as session:
                store.forget(session, event.id)
                self.platform.outbox.call_back(session, _handle(event.id))
            raise

    def carry_out(self, event: Event) -> dict[str, Any]:
        """What a `command.given` asks for, once; what `state` tells of it then.

        Raises what may work the next time, or by another worker: nothing is kept of that.
        """
        given, id = CommandGiven.model_validate(plain_data(event.data)), event.id
        key, may = given.key or id, LEVELS if given.may is None else given.may
        here = origin.Origin(given.interface or "worker", given.address, id)

        def decide() -> dict[str, Any]:
            with self.platform.database.session() as session:
                row = self._row(session, given.command, given.actor, key, id, given.asked)
                if settled(row) is None:
                    self._refuse_old(event)
                    self._check_here(given.command, given.takes)
                    one = self._allowed(given.command, given.actor, may)
                    wanted = validated(one, given.asked)
                    self._do(session, one, wanted, given.actor, row, given.key, event)
                return told(Given(row, None, None))

        try:
            with origin.of(here):
                return deciding.again(decide)
        except PenstockError as error:
            problem = refusals.told(error)
            if problem is None:
                raise
        with self.platform.database.session() as session:
            row = self._row(session, given.command, given.actor, key, id, given.asked, check=False)
            if row.given == digest(given.asked) and settled(row) is not None:
                return told(Given(row, None, None))  # given elsewhere meanwhile: that counts
            if row.given == digest(given.asked):
                row.problem = problem
                session.add(row)
                with origin.of(here):
                    self.platform.audit.record(
                        given.actor, "command.refused", given.command, session=session,
                        refused=problem["detail"], asked=given.asked, key=given.key, command=id,
                    )  # fmt: skip
            return {**told(Given(row, None, None)), "state": "refused", "problem": problem}

    # -- what both need

    def check(self, name: str, asked: Any, key: str | None = None) -> str:
        """What our own code is about to give; the digest of what the command takes.

        Raises `NotFound`, `InvalidCommand` or `Refused`.
        """
        checked_key(key)
        asked = plain_data(asked)
        one = self.registry.commands.get(name)
        if one is not None:
            validated(one, asked)
            return one.shape
        known = self.get(name)
        if problems := schema_problems(known["schema"], asked):
            raise invalid(name, problems)
        return shape_of(known["level"], known["schema"])

    def _check_here(self, name: str, takes: str | None) -> None:
        """That this worker has the code by which it was given. No refusal to be kept where not: in a
        deploy another has it. Where none has any more, ours is what there is.
        """
        one = self.registry.commands.get(name)
        if one is not None and takes in (one.shape, None):
            return
        said = {code.commands.get(name) for code in self.platform.workers.code() if code} - {None}
        said |= {known for row, _, known in self.rows() if row == name}
        if one is None and not said:
            raise UnknownCommand(str(absent(name)))
        if one is None or takes in said:
            raise Unavailable(
                f"This worker's code has no command {name!r} as it was given, and another's has: it is tried"
                " again until that one takes it. Restart the workers that run an older release."
            )

    def _allowed(self, name: str, actor: str, may: Collection[str]) -> Command:
        one = self.registry.commands.get(name)
        if one is None:
            raise absent(name)
        refuse_level(name, one.level, actor, may)
        return one

    def _row(
        self, session: Session, name: str, actor: str, key: str, id: str, asked: Any,
        *, check: bool = True,
    ) -> CommandRow:  # fmt: skip
        given = digest(asked)
        row = store.opened(session, name, actor, key, id, given, self.platform.clock.now())
        if check and row.given != given:
            raise Conflict(
                f"The idempotency key {key!r} was used for another {name} before, and nothing was done: "
                "take a new key for a new command, or ask for the same as then to get its answer again."
            )
        return row

    def _refuse_old(self, event: Event) -> None:
        """Its answer may be forgotten, so nobody knows whether it was done."""
        if event.time and self.platform.clock.now() - event.time.timestamp() > KEPT:
            raise Refused("This command was given more than 14 days ago: give it anew.")
