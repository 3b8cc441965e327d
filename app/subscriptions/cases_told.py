"""What joins and processes remember, as people see it: which keys are open, since when, and until when.

A case is one key of one `@on_all` or `@process`. Of a join it tells what has arrived, of a process
its state and its fields; of both the deadline that waits in the outbox. An operator ends one that is stuck.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlmodel import Session

from app.clock import Clock
from app.errors import Conflict, NotFound, Refused
from app.events.event import Event
from app.store import cases, outbox
from app.store.audit import Audit
from app.store.cases import ENDED, NEW, OVER, CaseRow, told_state
from app.store.columns import key as key_of
from app.store.database import Database
from app.store.moments import iso
from app.store.page import Page, paged, read_cursor
from app.subscriptions.cases import handle_of

MOST = 100
"""Cases that are ended at once."""
EARLY = "early"
"""The state of a process that has not begun: what came before waits for it."""


class Cases:
    """`platform.cases`."""

    def __init__(self, database: Database, audit: Audit, clock: Clock):
        self._database, self._audit, self._clock = database, audit, clock

    def of(
        self, name: str, state: str | None = None, limit: int = 50, cursor: str | None = None
    ) -> Page[dict[str, Any]]:
        """`{"key", "state", "over", "since", "updated", "deadline", "arrived", "fields"}`, the last changed first.

        `arrived` are event ids by type (of a join that waits), `fields` those of a process.
        """
        before = (*read_cursor(cursor, float, str),) if cursor else None
        wanted = NEW if state == EARLY else state
        with self._database.read() as session:
            rows = cases.find(session, name, wanted, limit + 1, before)
            due = _deadlines(session, name, rows)
        return paged(rows, limit, lambda row: (row.updated, row.key), lambda row: _told(row, due))

    def counts(self, name: str) -> dict[str, int]:
        """How many are in each state; empty for a subscription that is neither join nor process."""
        with self._database.read() as session:
            return {state or EARLY: count for state, count in cases.counted(session, name)}

    def open(self, name: str) -> int:
        """How many are not over."""
        return sum(count for state, count in self.counts(name).items() if state not in OVER)

    def forget(self, name: str) -> None:
        """All of a subscription that is no more, with their deadlines."""
        with self._database.session() as session:
            for one in cases.open_keys(session, name):
                outbox.Outbox.call_back(session, handle_of(name, one))
            cases.forget(session, name)

    def end(self, name: str, keys: Sequence[str], actor: str, reason: str = "") -> int:
        """End open cases by hand, all or none: no code of theirs runs, and no event comes of it; how many.

        What comes for such a key later changes nothing. One that has not begun is forgotten, with what
        waits for it: it may still begin. Raises `NotFound`, `Conflict` for one that is over, and `Refused`.
        """
        wanted = dict.fromkeys(map(key_of, keys))
        if not 1 <= len(wanted) <= MOST:
            raise Refused(f"Name the keys to end, 1 to {MOST} of them.")
        now, said = self._clock.now(), {"reason": reason} if reason else {}
        changing = self._audit.changing(actor, "case.ended", f"subscription:{name}", **said)
        with changing as change, self._database.session() as session:
            found = {row.key: row for row in cases.locked(session, name, wanted)}
            change.before = {one: told_state(row) or EARLY for one, row in found.items()}
            change.after = dict.fromkeys(found, ENDED)
            for one in wanted:
                self._end(session, name, one, found.get(one), now)
        return len(wanted)

    @staticmethod
    def _end(session: Session, name: str, one: str, row: CaseRow | None, now: float) -> None:
        if row is None:
            raise NotFound(f"{name} has no case {one!r}. Nothing was ended.")
        if row.state in OVER:
            raise Conflict(
                f"The case {one!r} of {name} is over: {told_state(row)}. Nothing was ended."
            )
        outbox.Outbox.call_back(session, handle_of(name, one))
        if row.state == NEW:
            cases.drop(session, row)
        else:
            cases.end(session, row, now)


def _deadlines(session: Session, name: str, rows: Iterable[CaseRow]) -> dict[str, float]:
    handles = {key_of(handle_of(name, row.key)): row.key for row in rows if row.state not in OVER}
    return {handles[handle]: at for handle, at in outbox.dues(session, handles).items()}


def _told(row: CaseRow, due: dict[str, float]) -> dict[str, Any]:
    data = row.data or {}
    arrived = {type: text for type, text in data.items() if isinstance(text, str)}
    return {
        "key": row.key,
        "state": told_state(row) or EARLY,
        "over": row.state in OVER,
        "since": iso(row.since),
        "updated": iso(row.updated),
        "deadline": iso(due.get(row.key)),
        "arrived": {
            type: Event.from_bytes(text.encode()).id
            for type, text in arrived.items()
            if type != "entered"
        },
        "fields": data.get("fields") if isinstance(data.get("fields"), dict) else None,
    }
