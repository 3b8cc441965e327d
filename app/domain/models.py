"""Models, as the platform offers them: read, predicted with, stepped by the pipeline, decided on.

Each idea has a file of its own; here they are put together under one name.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath
from typing import Any, BinaryIO

from app.clock import Clock, SystemClock
from app.domain.announcing import Announcer
from app.domain.cancelling import Cancelling
from app.domain.committed import Committed
from app.domain.decisions import Decisions
from app.domain.events import BatchRequested
from app.domain.model_reading import ModelReading
from app.domain.model_steps import ModelSteps
from app.domain.serving import Serving
from app.errors import Refused
from app.events.event import Event
from app.sourcing.repository import Repository
from app.store.audit import Audit
from app.store.blobs import BlobStore
from app.store.columns import clean
from app.store.database import Database
from app.store.eventstore.store import EventStore

MOST_ROWS = 10_000
SHOWN_PROBLEMS = 20


class Models:
    """`changes` hears of what changed, for those who show it."""

    def __init__(
        self,
        database: Database,
        blobs: BlobStore,
        committed: Committed,
        clock: Clock | None = None,
        audit: Audit | None = None,
        changes: Announcer | None = None,
    ):
        clock = clock or SystemClock()
        self._blobs = blobs
        self._database = database
        self._committed = committed
        self._audit = audit
        self.serving = Serving(database, blobs, clock)
        reading = ModelReading(database, blobs, self.serving)
        self.find, self.get = reading.find, reading.get
        self.version, self.evaluation = reading.version, reading.evaluation
        aggregates = Repository(EventStore(database, clock), database, clock)
        steps = ModelSteps(blobs, clock, changes, reading, self.serving, aggregates)
        self.champion, self.champion_in = steps.champion, steps.champion_in
        self.register, self.decide, self.hold = steps.register, steps.decide, steps.hold
        self.swap, self.check = steps.swap, steps.check
        decisions = Decisions(database, committed, audit, reading, steps)
        self.approve, self.reject = decisions.approve, decisions.reject
        self.expire = decisions.expire
        self.promote, self.rollback = decisions.promote, decisions.rollback
        cancelling = Cancelling(database, clock, audit)
        self.cancel, self.cancelled = cancelling.cancel, cancelling.cancelled
        self.stop_if_cancelled = cancelling.stop_if_cancelled

    def predict(self, name: str, rows: Sequence[Any]) -> dict[str, Any]:
        """`{"model", "version", "predictions"}` for rows as mappings of columns to values.

        All rows or none: raises `Refused` and names the bad ones. Raises `NotFound` for
        an unknown model, `Conflict` for one without a champion.
        """
        if not isinstance(rows, Sequence) or isinstance(rows, str | bytes) or not rows:
            raise Refused('Send at least one row, as {"rows": [{"column": value}]}.')
        if len(rows) > MOST_ROWS:
            raise Refused(f"{len(rows):,} rows are too many at once: send at most {MOST_ROWS:,}.")
        version, predictions, problems = self.serving.score(name, rows)
        if problems:
            shown = "; ".join(f"row {p.row}: {p.problem}" for p in problems[:SHOWN_PROBLEMS])
            more = (
                f" (and {len(problems) - SHOWN_PROBLEMS} more rows)"
                if len(problems) > SHOWN_PROBLEMS
                else ""
            )
            raise Refused(f"{shown}{more}. Nothing was predicted.")
        return {"model": name, "version": version, "predictions": predictions}

    def predict_file(
        self,
        file: bytes | BinaryIO,
        name: str,
        actor: str,
        *,
        filename: str = "",
        header: bool | None = None,
    ) -> dict[str, str]:
        """Have a whole CSV scored by a worker; `{"model", "correlationid"}`.

        Raises `NotFound` for an unknown model, `Conflict` for one without a champion.
        """
        self.serving.current(name)
        data = BatchRequested(
            model=name,
            file=self._blobs.put(file),
            filename=clean(PurePath(filename.replace("\\", "/")).name[:255]),
            header=header,
            by=clean(actor),
        )
        event = Event(type="batch.requested", data=data, partitionkey=name, subject=name)
        with self._database.session() as session:
            if self._audit:
                after = {"filename": data.filename, "correlationid": event.id}
                self._audit.record(
                    actor, "batch.requested", f"model:{name}", after=after, session=session
                )
            self._committed.keep(session, event)
        self._committed.send(event)
        return {"model": name, "correlationid": event.id}
