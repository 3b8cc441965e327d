"""The pipeline's steps for a model: register, decide, hold, swap the champion, check.

They take the session of the handler that runs them, so that a step's effects
and its outputs are one; `check` takes none, since it runs a process for seconds.
"""

from __future__ import annotations

from sqlmodel import Session, col, select

from app.clock import Clock
from app.domain.announcing import Announcer, announce_after
from app.domain.check import Check, check_model
from app.domain.events import ModelEvaluated
from app.domain.model_reading import ModelReading
from app.domain.model_record import Decided, Promoted, Registered, record_model
from app.domain.serving import Champion, Serving
from app.domain.tables import ModelRow
from app.sourcing.repository import Repository
from app.store import holds
from app.store.blobs import BlobStore


class ModelSteps:
    """`changes` hears of what changed, for those who show it."""

    def __init__(
        self,
        blobs: BlobStore,
        clock: Clock,
        changes: Announcer | None,
        reading: ModelReading,
        serving: Serving,
        aggregates: Repository,
    ):
        self._aggregates = aggregates
        self._blobs = blobs
        self._clock = clock
        self._changes = changes
        self._reading = reading
        self.serving = serving

    def champion(self, name: str) -> Champion | None:
        """The version in use, read from SQL now; None where there is none."""
        return self.serving.champion(name)

    def register(self, session: Session, evaluated: ModelEvaluated, correlationid: str) -> int:
        """The version of this tested model; a run gets one, however often it is tried."""
        announce_after(session, self._changes, "models")
        lineage = evaluated.lineage.model_dump() | {"correlationid": correlationid}
        return record_model(
            session,
            Registered(
                model=evaluated.model,
                correlationid=correlationid,
                artefact=evaluated.artefact,
                sample=evaluated.sample,
                task=evaluated.task,
                classes=evaluated.classes,
                metric=evaluated.metric,
                metrics=evaluated.metrics,
                baseline=evaluated.baseline,
                champion=evaluated.champion.model_dump() if evaluated.champion else None,
                lineage=lineage,
                reason=" ".join(evaluated.reasons),
                at=self._clock.now(),
                intervals=evaluated.intervals,
                gain=evaluated.gain,
                details=evaluated.details,
            ),
            self._aggregates,
        )

    def decide(
        self,
        session: Session,
        name: str,
        version: int,
        state: str,
        reason: str,
        by: str | None = None,
    ) -> None:
        """The version is now `approved`, `rejected` or `rolledback`, and why."""
        announce_after(session, self._changes, "models")
        decided = Decided(name, version, state, reason, self._clock.now(), by)
        record_model(session, decided, self._aggregates)

    def hold(
        self, session: Session, name: str, version: int, correlationid: str, event: str
    ) -> None:
        """The run waits until a person approves or rejects the version."""
        holds.place(session, held_name(name, version), correlationid, event, self._clock.now())

    def swap(
        self,
        session: Session,
        name: str,
        version: int,
        expected: int | None,
        *,
        by: str | None = None,
        reason: str = "",
        back: bool = False,
    ) -> None:
        """Make the version the champion if `expected` still is, else raise `Conflict`."""
        announce_after(session, self._changes, "models")
        promoted = Promoted(name, version, expected, by, reason, self._clock.now(), back)
        record_model(session, promoted, self._aggregates)
        self.serving.forget(name)

    def champion_in(self, session: Session, name: str) -> int | None:
        """The champion's version, as this transaction sees it."""
        return session.exec(select(ModelRow.champion).where(col(ModelRow.name) == name)).first()

    def check(self, name: str, version: int) -> Check:
        """Load the version and score recorded rows, in a clean process. Takes seconds."""
        row = self._reading.row(name, version)
        return check_model(self._blobs, row.artefact, row.sample)


def held_name(name: str, version: int) -> str:
    """What a hold on a version is called."""
    return f"model {name} {version}"
