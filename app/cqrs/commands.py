"""Giving commands: checked, allowed, done once, and written down.

`execute` does it here and now, where the author's code is imported. `send` has a worker do
it, by way of a topic, and `wait` brings its answer: that is how the web process, which imports
no author's code, gives them. Either way what a command appends, its answer under the
idempotency key and its line in the audit log are one transaction: a resend after a lost reply
finds the answer, and does nothing. The answer bears the position that a reader can wait for.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import msgspec
import structlog
from pydantic import BaseModel
from sqlmodel import Session

from app import origin
from app.clock import instant
from app.cqrs import deciding, refusals
from app.cqrs.answers import SOURCE, Answers
from app.cqrs.asked import checked_key, id_of, invalid, refuse_level, validated
from app.cqrs.command import LEVELS, Command, CommandContext, digest, shape_of
from app.cqrs.events import CommandGiven
from app.cqrs.known import Known
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


class Commands(Known, Answers):
    """`platform.commands`: which there are is in `app.cqrs.known`, what became of them in `app.cqrs.answers`."""

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
        the command raises undoes all of it, and what its function refuses is refused for the same
        `key` again. `app.cqrs.deciding` tells of those who give at once.
        """
        one = self.allowed(name, actor, may)
        wanted = validated(one, asked)
        id = id_of(name, actor, checked_key(key))

        def decide() -> dict[str, Any]:
            with self.platform.database.session() as session:
                row = self._row(session, name, actor, key, id, asked) if key else None
                return settled(row) or self._do(session, one, wanted, actor, row, key)

        try:
            found = deciding.again(decide)
        except PenstockError as error:
            problem = refusals.told(error)
            if problem is None:
                raise
            row = self._refuse(name, actor, key, id, asked, problem, key)
            kept = settled(row) if row and row.given == digest(asked) else None
            if kept in (None, problem):
                raise
            found = dict(kept or {})  # given elsewhere meanwhile: that counts
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
                    self.check_here(given.command, given.takes)
                    one = self.allowed(given.command, given.actor, may)
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
        with origin.of(here):
            row = self._refuse(given.command, given.actor, key, id, given.asked, problem, given.key)
        assert row is not None
        found = told(Given(row, None, None))
        is_its_own = row.given == digest(given.asked)
        return found if is_its_own else {**found, "state": "refused", "problem": problem}

    def _refuse(
        self, name: str, actor: str, key: str | None, id: str, asked: Any, problem: dict[str, Any],
        named: str | None,
    ) -> CommandRow | None:  # fmt: skip
        """Keep a refusal under its key, and write it down, unless something is kept there; what counts then.

        `named` is the key that the giver named.
        """
        with self.platform.database.session() as session:
            row = self._row(session, name, actor, key, id, asked, check=False) if key else None
            if row is None or (row.given == digest(asked) and settled(row) is None):
                if row is not None:
                    row.problem = problem
                    session.add(row)
                self.platform.audit.record(
                    actor, "command.refused", name, session=session, refused=problem["detail"],
                    asked=plain_data(asked), key=named, command=row.id if row else None,
                )  # fmt: skip
        return row

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
