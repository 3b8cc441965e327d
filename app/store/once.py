"""A change that is asked for under an idempotency key: made once, and answered the same again.

It is kept as a command's answer is (`app.store.commands`), under a name that no command can have.
The row is claimed before the change, for as long as whoever claimed it lives (`app.store.claims`).
The change's line in the audit log notes there that it was made (`made`). Where that line is in the
change's own transaction it undoes the change if somebody else has the claim by then; a change
outside of SQL (a rewind) stands, and so does its line. Its answer is kept after that. So who dies
in between leaves word of what was done.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlmodel import Session

from app import living
from app.clock import Clock, SystemClock
from app.errors import Conflict
from app.events.ids import uuid7
from app.store.claims import Claims
from app.store.columns import key
from app.store.commands import REQUEST, CommandRow, opened
from app.store.database import Database

TERM = 300.0
"""Seconds for which a claim holds after its last beat, whatever is known of whoever made it."""

Kept = dict[str, Any]
"""`{"answer": …}`, `{"problem": …}`, or `{"made": …}` of a change whose answer was lost."""


class InProgress(Conflict):
    """The same is being done just now: ask again in a moment."""


@dataclass(frozen=True)
class Claim:
    """Who does it; `token` tells of one who claimed it later."""

    command: str
    actor: str
    key: str
    token: str


class Once:
    """`platform.once`."""

    def __init__(self, database: Database, clock: Clock | None = None):
        self._database = database
        self._clock = clock or SystemClock()
        self._claims = Claims(self._clock, self._beat, self._look)
        self.close = self._claims.close

    def claim(self, what: str, actor: str, name: str, given: str) -> Claim | Kept:
        """The claim, for whoever is first under the key `name`; else what is kept of it.

        `given` is a digest of what is asked. Raises `InProgress`, and `Conflict` where the key was
        used for something else.
        """
        now = self._clock.now()
        with self._database.session() as session:
            row = opened(session, f"{REQUEST}{what}", actor, name, None, given, now)
            if row.given != given:
                raise Conflict(f"The idempotency key {name!r} was used for something else before.")
            if row.problem:
                return {"problem": row.problem}
            held = row.answer or {}
            lasts = "answer" not in held and held.get("until", 0.0) > now
            if lasts and self._claims.lives((row.command, row.actor, row.key), held):
                raise InProgress("The same is being done just now: ask again in a moment.")
            if "answer" in held or "made" in held:
                return dict(held)
            claim = Claim(row.command, row.actor, row.key, uuid7())
            row.answer = {"token": claim.token, "until": now + TERM, "by": living.this_process()}
            session.add(row)
        self._claims.hold(claim)
        return claim

    def check(self, claim: Claim | None) -> None:
        """Before what no transaction undoes. Raises `Conflict` where the claim is another's by now."""
        if claim is None:
            return
        with self._database.session() as session:
            if _held(session, claim) is None:
                raise _begun_again(claim)

    def keep(self, claim: Claim, answer: Any) -> None:
        """What it answered."""
        with self._ending(claim) as session:
            if row := _held(session, claim):
                row.answer = {"answer": answer}
                session.add(row)

    def refuse(self, claim: Claim, problem: Kept) -> None:
        """It was refused, and nothing was changed; where something was, that is what is kept."""
        with self._ending(claim) as session:
            row = _held(session, claim)
            if row and "made" not in row.answer:
                row.problem = problem
                session.add(row)
            elif row:
                _end(session, row)

    def release(self, claim: Claim) -> None:
        """It failed: the same key may try again, where nothing was changed."""
        with self._ending(claim) as session:
            if row := _held(session, claim):
                _end(session, row)

    def leave(self, claim: Claim) -> None:
        """Nobody is at it any more, whatever is kept of it."""
        self._claims.drop(claim)

    @contextmanager
    def _ending(self, claim: Claim) -> Iterator[Session]:
        try:
            with self._database.session() as session:
                yield session
        finally:
            self.leave(claim)

    def _beat(self, claim: Claim) -> None:
        """Say that somebody is at it. Where the change's own transaction has the row, that says so."""
        with self._database.session() as session:
            if (row := _held(session, claim, skip_locked=True)) is not None:
                told = {"beat": row.answer.get("beat", 0) + 1, "until": self._clock.now() + TERM}
                row.answer = {**row.answer, **told}
                session.add(row)

    def _look(self, name: tuple[str, str, str]) -> Kept | None:
        with self._database.read() as session:
            row = session.get(CommandRow, name)
            return row.answer if row else None


def made(session: Session, claim: Claim, what: Kept, *, undone: bool = True) -> None:
    """Note in the change's transaction that it was made. Raises `Conflict` where the claim is another's by now.

    `undone`: what was changed is undone by that. Else it is a fact, and only the note is left out.
    """
    row = _held(session, claim)
    if row is None and not undone:
        return
    if row is None:
        raise _begun_again(claim)
    row.answer = {**row.answer, "made": what}
    session.add(row)


def _begun_again(claim: Claim) -> Conflict:
    return Conflict(
        f"Under the idempotency key {claim.key!r} the same was begun again meanwhile. Nothing was done here."
    )


def _held(session: Session, claim: Claim, *, skip_locked: bool = False) -> CommandRow | None:
    row = session.get(
        CommandRow,
        (key(claim.command), key(claim.actor), key(claim.key)),
        with_for_update={"skip_locked": skip_locked},
    )
    mine = row is not None and (row.answer or {}).get("token") == claim.token
    return row if mine else None


def _end(session: Session, row: CommandRow) -> None:
    """The claim ends now; the row goes where nothing was changed."""
    if "made" in row.answer:
        row.answer = {**row.answer, "until": 0.0}
        session.add(row)
    else:
        session.delete(row)
