"""Models: versions, the champion, promotion, rollback and prediction.

The pipeline's handlers record through the functions that take a session; an
operator's `promote` and `rollback` are whole by themselves: checked, swapped,
audited and published in one transaction.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import PurePath
from typing import Any, BinaryIO

from sqlmodel import Session, col, select

from app.clock import Clock, SystemClock
from app.domain.announcing import Announcer, announce_after
from app.domain.check import Check, check_model
from app.domain.events import (
    BatchRequested,
    DeploymentFinished,
    DeploymentRolledBack,
    ModelApproved,
    ModelEvaluated,
    ModelRejected,
)
from app.domain.model_record import Decided, Promoted, Registered, record_model
from app.domain.serving import Champion, Serving
from app.domain.tables import ModelRow, ModelVersionRow, PromotionRow
from app.errors import Conflict, NotFound, Refused
from app.events.event import Event
from app.store import cancellations, holds
from app.store.audit import Audit
from app.store.blobs import BlobStore
from app.store.columns import clean, key
from app.store.database import Database
from app.store.deliveries import Run
from app.store.moments import iso
from app.store.page import Page, paged, read_cursor
from app.streams.publisher import Publisher

SHOWN_VERSIONS = 200
MOST_ROWS = 10_000
SHOWN_PROBLEMS = 20


class Models:
    """`changes` hears of what changed, for those who show it."""

    def __init__(
        self,
        database: Database,
        blobs: BlobStore,
        publisher: Publisher,
        clock: Clock | None = None,
        audit: Audit | None = None,
        changes: Announcer | None = None,
    ):
        self._database = database
        self._blobs = blobs
        self._publisher = publisher
        self._clock = clock or SystemClock()
        self._audit = audit
        self._changes = changes
        self.serving = Serving(database, blobs, self._clock)

    # Predicting

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
        self._publisher.publish([event])
        return {"model": name, "correlationid": event.id}

    def champion(self, name: str) -> Champion | None:
        """The version in use, read from SQL now; None where there is none."""
        return self.serving.champion(name)

    # The pipeline's steps, in a handler's transaction

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
        )

    def decide(self, session: Session, name: str, version: int, state: str, reason: str) -> None:
        """The version is now `approved`, `rejected` or `rolledback`, and why."""
        announce_after(session, self._changes, "models")
        record_model(session, Decided(name, version, state, reason, self._clock.now()))

    def hold(
        self, session: Session, name: str, version: int, correlationid: str, event: str
    ) -> None:
        """The run waits until a person approves or rejects the version."""
        holds.place(session, _held(name, version), correlationid, event, self._clock.now())

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
        record_model(
            session, Promoted(name, version, expected, by, reason, self._clock.now(), back)
        )
        self.serving.forget(name)

    def champion_in(self, session: Session, name: str) -> int | None:
        """The champion's version, as this transaction sees it."""
        return session.exec(select(ModelRow.champion).where(col(ModelRow.name) == name)).first()

    def check(self, name: str, version: int) -> Check:
        """Load the version and score recorded rows, in a clean process. Takes seconds."""
        row = self._version(name, version)
        return check_model(self._blobs, row.artefact, row.sample)

    # An operator's actions

    def promote(self, name: str, version: int, actor: str, reason: str = "") -> dict[str, Any]:
        """Make this version the champion, after the load-and-score check.

        Raises `NotFound`; `Conflict` where it is the champion already or another was
        promoted meanwhile; `Refused` where the check fails.
        """
        before = self.champion(name)
        self._version(name, version)
        if before and before.version == version:
            raise Conflict(f"Version {version} of {name} is the champion already.")
        expected = before.version if before else None
        checked = self._checked(name, version)
        done = DeploymentFinished(
            model=name,
            version=version,
            previous=expected,
            checked_rows=checked.rows,
            by=actor,
            reason=reason,
        )
        with self._database.session() as session:
            held = holds.release(session, _held(name, version))
            self.swap(session, name, version, expected, by=actor, reason=reason)
            self._finish(session, actor, "model.promoted", expected, version, reason, done)
        if held:
            holds.derive_again(self._database, held.correlationid)
        self.serving.forget(name)
        return {"model": name, "version": version, "previous": expected}

    def approve(self, name: str, version: int, actor: str, reason: str) -> dict[str, Any]:
        """A person's yes to a version that waits: its run goes on to the deployment.

        Raises `NotFound`, `Refused` without a reason, `Conflict` where it doesn't wait (any more).
        """
        return self._answer(name, version, actor, reason, "approved")

    def reject(self, name: str, version: int, actor: str, reason: str) -> dict[str, Any]:
        """A person's no to a version that waits: its run ends, and the champion stays."""
        return self._answer(name, version, actor, reason, "rejected")

    def _answer(
        self, name: str, version: int, actor: str, reason: str, state: str
    ) -> dict[str, Any]:
        row = self._version(name, version)
        if not reason.strip():
            raise Refused(f"Say why version {version} of {name} is {state}: give a reason.")
        with self._database.session() as session:
            held = holds.release(session, _held(name, version))
            if held is None:
                raise Conflict(
                    f"Version {version} of {name} doesn't wait for a decision: it is {row.state}."
                )
            champion = self.champion_in(session, name)
            self.decide(session, name, version, state, f"{state.capitalize()} by hand: {reason}")
            verdict = ModelApproved if state == "approved" else ModelRejected
            data = verdict(
                model=name, version=version, champion=champion, reasons=[reason], by=actor
            )
            if self._audit:
                self._audit.record(
                    actor, f"model.{state}", name, row.state, version, session=session,
                    reason=reason,
                )  # fmt: skip
            event = Event(type=f"model.{state}", data=data, partitionkey=name, subject=name)
            named = event.but(correlationid=held.correlationid, causationid=held.event)
            self._publisher.publish([named])
        holds.derive_again(self._database, held.correlationid)
        return {"model": name, "version": version, "state": state}

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

    def cancelled(self, correlationid: str) -> tuple[str, str] | None:
        """Who cancelled the run, and why; None where nobody did."""
        with self._database.read() as session:
            row = cancellations.cancelled(session, correlationid)
            return (row.by, row.reason) if row else None

    def rollback(self, name: str, actor: str, reason: str = "") -> dict[str, Any]:
        """Go back to the version that the champion took over from, after the same check."""
        current = self.champion(name)
        if current is None:
            raise self.serving.absent(name)
        earlier = self._before(name, current.version)
        if earlier is None:
            raise Conflict(
                f"Version {current.version} of {name} took over from nobody: there is no "
                "champion to go back to."
            )
        self._checked(name, earlier)
        done = DeploymentRolledBack(
            model=name,
            version=current.version,
            champion=earlier,
            reason=reason or "Rolled back by hand.",
            by=actor,
        )
        with self._database.session() as session:
            self.swap(session, name, earlier, current.version, by=actor, reason=reason, back=True)
            self._finish(session, actor, "model.rolledback", current.version, earlier, reason, done)
        self.serving.forget(name)
        return {"model": name, "version": earlier, "previous": current.version}

    # Reading

    def find(self, limit: int = 50, cursor: str | None = None) -> Page[dict[str, Any]]:
        """Models, the last changed first, each with its newest version and its champion only."""
        query = select(ModelRow).order_by(col(ModelRow.updated).desc(), col(ModelRow.name).desc())
        if cursor:
            at, name = read_cursor(cursor, float, str)
            query = query.where(
                (col(ModelRow.updated) < at)
                | ((col(ModelRow.updated) == at) & (col(ModelRow.name) < name))
            )
        with self._database.read() as session:
            rows = session.exec(query.limit(limit + 1)).all()
            versions = {row.name: self._newest_and_champion(session, row) for row in rows}
        return paged(
            rows,
            limit,
            lambda row: (row.updated, row.name),
            lambda row: _show(row, versions[row.name]),
        )

    def get(self, name: str) -> dict[str, Any]:
        """A model with its versions, newest first, and its promotions. Raises `NotFound`."""
        query = (
            select(ModelVersionRow)
            .where(col(ModelVersionRow.model) == name)
            .order_by(col(ModelVersionRow.version).desc())
            .limit(SHOWN_VERSIONS)
        )
        with self._database.read() as session:
            row = session.get(ModelRow, name)
            if row is None:
                raise self.serving.absent(name)
            promotions = session.exec(_promotions(name).limit(SHOWN_VERSIONS)).all()
            shown = _show(row, session.exec(query).all())
        return {**shown, "promotions": [_show_promotion(one) for one in promotions]}

    def version(self, name: str, version: int) -> dict[str, Any]:
        """One version with its lineage. Raises `NotFound`."""
        return _show_version(self._version(name, version))

    def evaluation(self, name: str, version: int) -> dict[str, Any]:
        """What is drawn beside a version's metrics; empty where older code evaluated it."""
        row = self._version(name, version)
        found: dict[str, Any] = json.loads(self._blobs.read(row.details)) if row.details else {}
        return found

    def _newest_and_champion(self, session: Session, row: ModelRow) -> list[ModelVersionRow]:
        wanted = sorted({row.versions, row.champion or row.versions}, reverse=True)
        return [session.get_one(ModelVersionRow, (row.name, version)) for version in wanted]

    def _version(self, name: str, version: int) -> ModelVersionRow:
        with self._database.read() as session:
            row = session.get(ModelVersionRow, (name, version))
        if row is None:
            raise NotFound(
                f"There is no version {version} of a model {name!r}; `python -m app models "
                "list` shows those there are."
            )
        return row

    def _before(self, name: str, version: int) -> int | None:
        """Whom the version took over from when it was last promoted, not counting ways back."""
        query = _promotions(name).where(
            col(PromotionRow.version) == version, col(PromotionRow.back).is_(False)
        )
        with self._database.read() as session:
            promoted = session.exec(query.limit(1)).first()
        return promoted.previous if promoted else None

    def _checked(self, name: str, version: int) -> Check:
        checked = self.check(name, version)
        if checked.problem:
            raise Refused(
                f"Version {version} of {name} fails its check, and was not promoted. "
                f"{checked.problem}"
            )
        return checked

    def _finish(
        self,
        session: Session,
        actor: str,
        action: str,
        before: int | None,
        after: int,
        reason: str,
        data: DeploymentFinished | DeploymentRolledBack,
    ) -> None:
        if self._audit:
            self._audit.record(
                actor, action, data.model, before, after, session=session, reason=reason
            )
        event_type = (
            "deployment.finished"
            if isinstance(data, DeploymentFinished)
            else "deployment.rolledback"
        )
        self._publisher.publish(
            [Event(type=event_type, data=data, partitionkey=data.model, subject=data.model)]
        )


def _held(name: str, version: int) -> str:
    return f"model {name} {version}"


def _promotions(name: str) -> Any:
    return (
        select(PromotionRow)
        .where(col(PromotionRow.model) == name)
        .order_by(col(PromotionRow.id).desc())
    )


def _show(row: ModelRow, versions: Sequence[ModelVersionRow]) -> dict[str, Any]:
    return {
        "name": row.name,
        "task": row.task,
        "champion": row.champion,
        "created": iso(row.created),
        "updated": iso(row.updated),
        "versions": [_show_version(version) for version in versions],
    }


def _show_version(version: ModelVersionRow) -> dict[str, Any]:
    shown = version.model_dump(exclude={"model", "version", "state", "registered"})
    return {
        "version": version.version,
        "state": version.state,
        "registered": iso(version.registered),
        **shown,
    }


def _show_promotion(row: PromotionRow) -> dict[str, Any]:
    return {**row.model_dump(exclude={"id", "model", "at"}), "at": iso(row.at)}
