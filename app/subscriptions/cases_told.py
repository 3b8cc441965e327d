"""What joins and processes remember, as people see it: which keys are open, since when, and until when.

A case is one key of one `@on_all` or `@process`. Of a join it tells what has arrived, of a process
its state and its fields; of both the deadline that waits in the outbox.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlmodel import Session

from app.events.event import Event
from app.store import cases, outbox
from app.store.cases import NEW, OVER, CaseRow
from app.store.columns import key as key_of
from app.store.database import Database
from app.store.moments import iso
from app.store.page import Page, paged, read_cursor
from app.subscriptions.cases import handle_of

EARLY = "early"
"""The state of a process that has not begun: what came before waits for it."""


class Cases:
    """`platform.cases`."""

    def __init__(self, database: Database):
        self._database = database

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


def _deadlines(session: Session, name: str, rows: Iterable[CaseRow]) -> dict[str, float]:
    handles = {key_of(handle_of(name, row.key)): row.key for row in rows if row.state not in OVER}
    return {handles[handle]: at for handle, at in outbox.dues(session, handles).items()}


def _told(row: CaseRow, due: dict[str, float]) -> dict[str, Any]:
    data = row.data or {}
    arrived = {type: text for type, text in data.items() if isinstance(text, str)}
    return {
        "key": row.key,
        "state": row.state or EARLY,
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
