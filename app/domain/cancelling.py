"""Cancelling the training of a run: a person's wish in SQL, which the training looks at."""

from __future__ import annotations

from sqlmodel import Session

from app.clock import Clock
from app.errors import Conflict, NotFound, PenstockError
from app.store import cancellations
from app.store.audit import Audit
from app.store.columns import key
from app.store.database import Database
from app.store.deliveries import Run


class Cancelled(PenstockError):
    """A person cancelled the run."""


class Cancelling:
    """Who asked for a run to stop, and why."""

    def __init__(self, database: Database, clock: Clock, audit: Audit | None):
        self._database = database
        self._clock = clock
        self._audit = audit

    def cancel(self, correlationid: str, actor: str, reason: str = "") -> None:
        """Stop the training of a run within seconds; nothing of it is deployed.

        Asked again, it changes nothing. Raises `NotFound`, and `Conflict` where the run is over.
        """
        with self._database.session() as session:
            run = session.get(Run, key(correlationid))
            if run is None:
                raise NotFound(f"There is no run {correlationid!r} (a new one takes a second).")
            if run.state == "waiting":
                raise Conflict("The run waits for a decision: reject its model's version instead.")
            if run.state != "running":
                raise Conflict(f"The run is over: it is {run.state}.")
            new = cancellations.cancel(session, correlationid, actor, reason, self._clock.now())
            if new and self._audit:
                self._audit.record(
                    actor, "run.cancelled", correlationid, session=session, reason=reason
                )

    def cancelled(
        self, correlationid: str, session: Session | None = None
    ) -> tuple[str, str] | None:
        """Who cancelled the run, and why; None where nobody did (as this transaction sees it)."""
        if session is None:
            with self._database.read() as reading:
                return self.cancelled(correlationid, reading)
        row = cancellations.cancelled(session, correlationid)
        return (row.by, row.reason) if row else None

    def stop_if_cancelled(self, correlationid: str, session: Session | None = None) -> None:
        """Raises `Cancelled`, which says who did it and why."""
        if found := self.cancelled(correlationid, session):
            by, reason = found
            raise Cancelled(f"The run was cancelled by {by}" + (f": {reason}" if reason else "."))
