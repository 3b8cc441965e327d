"""Judging: the caretaker's chore that holds every rule against how things are.

It reads, decides and writes in one transaction, then tells what was not told yet.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import structlog
from sqlmodel import Session

from app.alerts.decision import QUIET, State, step
from app.alerts.in_force import in_force
from app.alerts.readings import Readings, Values
from app.alerts.rule import Rule
from app.alerts.telling import tell
from app.errors import PenstockError
from app.events.ids import uuid7
from app.store.alerts import LOCK, OPEN, AlertRow, AlertStateRow, AlertStore, states
from app.store.bulk import Bulk
from app.store.columns import key

ABOUT = "alerts"
"""What is announced to pages."""

log = structlog.get_logger(__name__)


class Judging:
    """Raises and resolves the alerts of one installation."""

    def __init__(self, platform: Any, store: AlertStore):
        self._platform = platform
        self._store = store

    def evaluate(self) -> int:
        """Hold every rule against how things are, and tell what changed; how many alerts changed."""
        judged = {
            j.rule.name: j.rule for j in in_force(self._store) if not j.problem and j.rule.enabled
        }
        values = self._read({rule.measure for rule in judged.values()})
        with self._platform.database.session() as session:
            Bulk(session).lock(LOCK)
            changes = self._decide(session, judged, values)
        tell(self._platform, self._store)
        if changes:
            self._platform.changes.announce(ABOUT)
        return changes

    def _read(self, measures: set[str]) -> dict[str, Values | None]:
        """Each measure's values; None where it can't be read now, which proves nothing."""
        readings = Readings(self._platform)
        found: dict[str, Values | None] = {}
        for measure in sorted(measures):
            try:
                found[measure] = readings.of(measure)
            except PenstockError as error:
                log.warning("alerts can't be judged", measure=measure, error=str(error))
                found[measure] = None
        return found

    def _decide(
        self, session: Session, rules: Mapping[str, Rule], values: Mapping[str, Values | None]
    ) -> int:
        now = self._now()
        known = states(session)
        changes = 0
        for place, over in known.items():
            if not (place[0] in rules and rules[place[0]].covers(place[1])):
                changes += self._end(session, over, now, "Its rule was changed.")
        for rule in rules.values():
            found = values[rule.measure]
            read = None if found is None else {key(name): value for name, value in found.items()}
            mine = {place[1] for place in known if place[0] == rule.name}
            for target in {*mine, *(read or ())}:
                if not rule.covers(target):
                    continue
                value = None if read is None else read.get(target, 0.0)
                row = known.get((rule.name, target))
                before = State(row.phase, row.since, row.at) if row else QUIET
                after = step(rule, before, now, value)
                changes += self._apply(session, rule, target, value, row, before, after)
        return changes

    def _apply(
        self,
        session: Session,
        rule: Rule,
        target: str,
        value: float | None,
        row: AlertStateRow | None,
        before: State,
        after: State,
    ) -> int:
        """Write the new state, and the alert where it went up or down."""
        if row is None and after == QUIET:
            return 0
        if row is not None and after == QUIET:
            return self._end(session, row, self._now(), "It is well again.")
        kept = (
            row
            if row is not None
            else AlertStateRow(rule=rule.name, target=target, phase="", since=0.0, at=0.0)
        )
        kept.phase, kept.since, kept.at = after.phase, after.since, after.at
        if after.up and not before.up:
            kept.alert = uuid7()
            session.add(
                AlertRow(
                    id=kept.alert,
                    state=OPEN,
                    rule=rule.name,
                    measure=rule.measure,
                    target=target,
                    severity=rule.severity,
                    above=rule.above,
                    value=value,
                    worst=value or 0.0,
                    raised=after.since,
                )
            )
            session.add(kept)
            return 1
        session.add(kept)
        alert = session.get(AlertRow, kept.alert) if kept.alert else None
        if alert is not None and value is not None:
            alert.value, alert.worst = value, max(alert.worst, value)
            session.add(alert)
        return 0

    def _end(self, session: Session, row: AlertStateRow, now: float, reason: str) -> int:
        """Forget a state; its alert, if it was up, is resolved."""
        alert = session.get(AlertRow, row.alert) if row.alert else None
        session.delete(row)
        if alert is None or alert.state != OPEN:
            return 0
        alert.state, alert.resolved, alert.reason = "resolved", now, reason
        session.add(alert)
        return 1

    def _now(self) -> float:
        return float(self._platform.clock.now())
