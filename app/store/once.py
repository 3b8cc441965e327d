"""A change that is asked for under an idempotency key: made once, and answered the same again.

It is kept as a command's answer is (`app.store.commands`), under a name that no command can have.
The row is claimed before the change. The change's line in the audit log notes there that it was made
(`made`). Where that line is in the change's own transaction it undoes the change if somebody else has
the claim by then; a change outside of SQL (a rewind) stands, and so does its line. Its answer is kept
after that. So who dies in between leaves word of what was done.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlmodel import Session

from app.clock import Clock, SystemClock
from app.errors import Conflict
from app.events.ids import uuid7
from app.store.columns import key
from app.store.commands import REQUEST, CommandRow, opened
from app.store.database import Database

TERM = 300.0
"""Seconds for which a claim holds: a change that takes longer may be begun again, and then ends by itself."""

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
            if "answer" not in held and held.get("until", 0.0) > now:
                raise InProgress("The same is being done just now: ask again in a moment.")
            if "answer" in held or "made" in held:
                return dict(held)
            claim = Claim(row.command, row.actor, row.key, uuid7())
            row.answer = {"token": claim.token, "until": now + TERM}
            session.add(row)
        return claim

    def keep(self, claim: Claim, answer: Any) -> None:
        """What it answered."""
        with self._database.session() as session:
            if row := _held(session, claim):
                row.answer = {"answer": answer}
                session.add(row)

    def refuse(self, claim: Claim, problem: Kept) -> None:
        """It was refused, and nothing was changed; where something was, that is what is kept."""
        with self._database.session() as session:
            row = _held(session, claim)
            if row and "made" not in row.answer:
                row.problem = problem
                session.add(row)
            elif row:
                _end(session, row)

    def release(self, claim: Claim) -> None:
        """It failed: the same key may try again, where nothing was changed."""
        with self._database.session() as session:
            if row := _held(session, claim):
                _end(session, row)


def made(session: Session, claim: Claim, what: Kept, *, undone: bool = True) -> None:
    """Note in the change's transaction that it was made. Raises `Conflict` where the claim is another's by now.

    `undone`: what was changed is undone by that. Else it is a fact, and only the note is left out.
    """
    row = _held(session, claim)
    if row is None and not undone:
        return
    if row is None:
        raise Conflict(
            f"Under the idempotency key {claim.key!r} the same was begun again meanwhile. Nothing was done here."
        )
    row.answer = {**row.answer, "made": what}
    session.add(row)


def _held(session: Session, claim: Claim) -> CommandRow | None:
    row = session.get(
        CommandRow, (key(claim.command), key(claim.actor), key(claim.key)), with_for_update=True
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
