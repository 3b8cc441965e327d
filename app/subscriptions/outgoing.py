"""What is on its way from SQL to the topics: for people to see, and to deal with what can't go.

An event that its topic refuses (its schema has changed since, say) stays in the outbox
with its problem and holds up no other. Once the cause is mended it is sent again; or it
is given up, which the audit log keeps whole.
"""

from __future__ import annotations

from typing import Any

from sqlmodel import Session

from app.errors import NotFound
from app.events.event import Event
from app.store import outbox, ownership
from app.store.outbox import OutboxRow
from app.store.page import Page, bounded, read_cursor
from app.subscriptions.relay import WHAT


class Outgoing:
    """`platform.outgoing`."""

    def __init__(self, platform: Any):
        self.platform = platform

    def status(self) -> dict[str, Any]:
        """`waiting` (due now), `later`, `refused`, and the `relay`: who runs it, and its `lag`.

        The lag counts the positions of the event store that it has yet to pass on; `seconds` is how
        long the oldest has waited of these and of what is due.
        """
        now, store = self.platform.clock.now(), self.platform.event_store
        head = store.head()
        with self.platform.database.read() as session:
            counted = outbox.counted(session, now)
            oldest = [outbox.oldest_due(session, now)]
            row = session.get(ownership.OwnerRow, WHAT)
        active = row is not None and row.until > now
        position = row.position if row else 0
        if position < head:
            oldest.append(store.recorded_after(position))
        return {
            "waiting": counted.due,
            "later": counted.later,
            "refused": counted.refused,
            "relay": {
                "owner": row.owner if row and active else None,
                "position": position,
                "head": head,
                "lag": max(0, head - position),
                "seconds": max([0.0, *(now - since for since in oldest if since is not None)]),
            },
        }

    def refused(self, limit: int = 50, cursor: str | None = None) -> Page[dict[str, Any]]:
        """Those that can't be published, the newest first: `id`, `event`, `problem`.

        A page has fewer where these come to `app.store.page.MOST_BYTES`, and then says what is next.
        """
        before = read_cursor(cursor, int)[0] if cursor else None
        with self.platform.database.read() as session:
            return bounded(
                outbox.refused(session, before), limit, _size, lambda row: (row.id or 0,), _shown
            )

    def retry(self, id: int, actor: str, reason: str = "") -> None:
        """Have the relay publish it now. Raises `NotFound`."""
        with self.platform.database.session() as session:
            row = self._refused(session, id)
            row.problem = None
            session.add(row)
            self._noted(session, actor, "retried", row, reason)
            outbox.wake_after(session, self.platform.wake_relay)

    def discard(self, id: int, actor: str, reason: str = "") -> None:
        """Give it up; the audit log keeps the event. Raises `NotFound`."""
        with self.platform.database.session() as session:
            row = self._refused(session, id)
            self._noted(session, actor, "discarded", row, reason)
            session.delete(row)

    @staticmethod
    def _refused(session: Session, id: int) -> OutboxRow:
        known = id < 2**63  # larger ones are no number to a database
        row = session.get(OutboxRow, id, with_for_update=True) if known else None
        if row is None or row.problem is None:
            raise NotFound(
                f"The outbox holds no refused event {id}: `python -m app outbox list` shows them."
            )
        return row

    def _noted(self, session: Session, actor: str, what: str, row: OutboxRow, reason: str) -> None:
        self.platform.audit.record(
            actor, f"outbox.{what}", f"outbox:{row.id}", before=_shown(row), session=session,
            reason=reason,
        )  # fmt: skip


def _size(row: OutboxRow) -> int:
    return len(row.event) + len(row.problem or "")


def _shown(row: OutboxRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "problem": row.problem,
        "event": Event.from_bytes(row.event.encode()).to_dict(),
    }
