"""A person's decisions about a model: approve, reject, promote, roll back.

Each is whole by itself: checked, written, audited, and its event kept, in one
transaction, so that no decision is without its event and no event without its decision.
"""

from __future__ import annotations

from typing import Any

from sqlmodel import Session

from app.domain.check import Check
from app.domain.committed import Committed
from app.domain.events import (
    DeploymentFinished,
    DeploymentRolledBack,
    ModelApproved,
    ModelRejected,
)
from app.domain.model_reading import ModelReading
from app.domain.model_steps import ModelSteps, held_name
from app.errors import Conflict, Refused
from app.events.event import Event
from app.store import holds
from app.store.audit import Audit
from app.store.database import Database


class Decisions:
    """What an operator does with a version, through the same steps as the pipeline."""

    def __init__(
        self,
        database: Database,
        committed: Committed,
        audit: Audit | None,
        reading: ModelReading,
        steps: ModelSteps,
    ):
        self._database = database
        self._committed = committed
        self._audit = audit
        self._reading = reading
        self._steps = steps

    def promote(self, name: str, version: int, actor: str, reason: str = "") -> dict[str, Any]:
        """Make this version the champion, after the load-and-score check.

        Raises `NotFound`; `Conflict` where it is the champion already or another was
        promoted meanwhile; `Refused` where the check fails.
        """
        before = self._steps.champion(name)
        self._reading.row(name, version)
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
            held = holds.release(session, held_name(name, version))
            self._steps.swap(session, name, version, expected, by=actor, reason=reason)
            event = self._finish(session, actor, "model.promoted", expected, version, reason, done)
        self._committed.send(event)
        if held:
            holds.derive_again(self._database, held.correlationid)
        self._steps.serving.forget(name)
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
        row = self._reading.row(name, version)
        if not reason.strip():
            raise Refused(f"Say why version {version} of {name} is {state}: give a reason.")
        with self._database.session() as session:
            held = holds.release(session, held_name(name, version))
            if held is None:
                raise Conflict(
                    f"Version {version} of {name} doesn't wait for a decision: it is {row.state}."
                )
            champion = self._steps.champion_in(session, name)
            self._steps.decide(
                session, name, version, state, f"{state.capitalize()} by hand: {reason}", actor
            )
            verdict = ModelApproved if state == "approved" else ModelRejected
            data = verdict(
                model=name, version=version, champion=champion, reasons=[reason], by=actor
            )
            if self._audit:
                self._audit.record(
                    actor, f"model.{state}", name, row.state, state, session=session,
                    version=version, reason=reason,
                )  # fmt: skip
            event = Event(type=f"model.{state}", data=data, partitionkey=name, subject=name)
            named = event.but(correlationid=held.correlationid, causationid=held.event)
            self._committed.keep(session, named)
        self._committed.send(named)
        holds.derive_again(self._database, held.correlationid)
        return {"model": name, "version": version, "state": state}

    def expire(self, session: Session, name: str, version: int, reason: str) -> bool:
        """Nobody answered in time: the version is rejected; False where somebody was quicker."""
        if holds.release(session, held_name(name, version)) is None:
            return False
        self._steps.decide(session, name, version, "rejected", reason)
        if self._audit:
            self._audit.record(
                "process:approval", "model.rejected", name, "waiting", "rejected",
                session=session, version=version, reason=reason,
            )  # fmt: skip
        return True

    def rollback(self, name: str, actor: str, reason: str = "") -> dict[str, Any]:
        """Go back to the version that the champion took over from, after the same check."""
        current = self._steps.champion(name)
        if current is None:
            raise self._steps.serving.absent(name)
        earlier = self._reading.before(name, current.version)
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
            self._steps.swap(
                session, name, earlier, current.version, by=actor, reason=reason, back=True
            )
            event = self._finish(
                session, actor, "model.rolledback", current.version, earlier, reason, done
            )
        self._committed.send(event)
        self._steps.serving.forget(name)
        return {"model": name, "version": earlier, "previous": current.version}

    def _checked(self, name: str, version: int) -> Check:
        checked = self._steps.check(name, version)
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
    ) -> Event:
        if self._audit:
            self._audit.record(
                actor, action, data.model, before, after, session=session, reason=reason
            )
        event_type = (
            "deployment.finished"
            if isinstance(data, DeploymentFinished)
            else "deployment.rolledback"
        )
        event = Event(type=event_type, data=data, partitionkey=data.model, subject=data.model)
        return self._committed.keep(session, event)
