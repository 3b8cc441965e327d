"""The alerts of the installation: judged, told, acknowledged, muted.

`evaluate` is the caretaker's chore: it reads, decides and writes in one
transaction, then publishes what was not told yet. Event ids come from the
alert's, so telling again after a crash is accepted once. A muted alert is kept
like any other and told only if it is still up when the mute ends.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import structlog
from sqlmodel import Session

from app.alerts import words
from app.alerts.decision import QUIET, State, step
from app.alerts.readings import Readings, Values
from app.alerts.rule import CHANGEABLE, DEFAULTS, Rule, changed
from app.errors import Conflict, NotFound, PenstockError, Refused, Unavailable
from app.events.event import Event
from app.events.ids import uuid7
from app.store.alerts import (
    LOCK,
    OPEN,
    AlertMuteRow,
    AlertRow,
    AlertRuleRow,
    AlertStateRow,
    AlertStore,
    show_alert,
    show_mute,
    states,
)
from app.store.bulk import Bulk
from app.store.columns import clean, key
from app.store.moments import iso, seconds
from app.store.page import Page

log = structlog.get_logger(__name__)

SOURCE = "/alerts"
ABOUT = "alerts"  # what is announced to pages
Place = tuple[str, str]


@dataclass(frozen=True)
class Judged:
    """A rule in force, and why it can't be judged where that is so."""

    rule: Rule
    default: bool
    by: str | None = None
    at: float | None = None
    problem: str | None = None


class Alerts:
    def __init__(self, platform: Any):
        self._platform = platform
        self._store = AlertStore(platform.database)

    # -- looking

    def find(
        self, state: str | None = None, limit: int = 50, cursor: str | None = None
    ) -> Page[dict[str, Any]]:
        """Alerts, newest first; `state` is raised or resolved."""
        page = self._store.find(state, limit, cursor)
        return Page(self._shown(page.items), page.next)

    def get(self, id: str) -> dict[str, Any]:
        """One alert. Raises `NotFound`."""
        row = self._store.get(id)
        if row is None:
            raise NotFound(f"There is no alert {id!r}: `python -m app alerts list` shows them.")
        return self._shown([row])[0]

    def up(self) -> list[dict[str, Any]]:
        """Those that are up and ask for somebody: neither acknowledged nor muted."""
        shown = self._shown(self._store.up())
        return [each for each in shown if not each["acknowledged"] and not each["muted"]]

    def rules(self) -> list[dict[str, Any]]:
        """The rules in force, by name, each with its problem if it is broken and its mutes."""
        mutes = self._store.mutes(self._now()).values()
        return [
            {
                **judged.rule.to_dict(),
                "default": judged.default,
                "changed_by": judged.by,
                "changed": iso(judged.at),
                "problem": judged.problem,
                "mutes": [show_mute(m) for m in mutes if m.rule == judged.rule.name],
            }
            for judged in self._judged()
        ]

    def rule(self, name: str) -> dict[str, Any]:
        """One rule. Raises `NotFound`."""
        for each in self.rules():
            if each["name"] == name:
                return each
        raise NotFound(f"There is no rule {name!r}: `python -m app alerts rules` lists them.")

    def _judged(self) -> list[Judged]:
        """Every rule: the code's defaults, and what people set instead or beside."""
        found = {name: Judged(rule, default=True) for name, rule in DEFAULTS.items()}
        for row in self._store.rules():
            found[row.name] = _read_rule(row)
        return [found[name] for name in sorted(found)]

    def _shown(self, rows: list[AlertRow]) -> list[dict[str, Any]]:
        mutes = self._store.mutes(self._now())
        return [
            {
                **show_alert(row),
                "summary": words.summary(row.measure, row.target, row.value, row.above),
                "page": words.page(row.measure, quote(row.target, safe="")),
                "muted": show_mute(mute) if (mute := _mute_of(mutes, row)) else None,
            }
            for row in rows
        ]

    # -- changing

    def set_rule(self, name: str, changes: Mapping[str, Any], actor: str) -> dict[str, Any]:
        """Change a rule, or make it. Raises `Refused` where it could not be judged."""
        was = next((j.rule for j in self._judged() if j.rule.name == name), None)
        rule = changed(was, name, changes)
        with self._platform.database.session() as session:
            session.merge(
                AlertRuleRow(
                    name=name, rule=rule.to_dict(), changed=self._now(), changed_by=key(actor)
                )
            )
            self._record(
                session,
                actor,
                "alert-rule.changed",
                f"alert-rule:{name}",
                was.to_dict() if was else None,
                rule.to_dict(),
            )
        self._announce()
        return self.rule(name)

    def remove_rule(self, name: str, actor: str) -> None:
        """Take a rule away; one of the defaults is as it was. Raises `NotFound`, `Conflict`."""
        was = self.rule(name)
        with self._platform.database.session() as session:
            row = session.get(AlertRuleRow, name)
            if row is None:
                raise Conflict(
                    f"{name} is a default and unchanged: set `enabled` to false instead."
                )
            session.delete(row)
            after = DEFAULTS[name].to_dict() if name in DEFAULTS else None
            before = {field: was[field] for field in CHANGEABLE}
            self._record(session, actor, "alert-rule.removed", f"alert-rule:{name}", before, after)
        self._announce()

    def acknowledge(self, id: str, actor: str, note: str = "") -> dict[str, Any]:
        """Somebody looks after it. Raises `NotFound`; `Conflict` where it is over or has somebody."""
        with self._platform.database.session() as session:
            row = session.get(AlertRow, id, with_for_update=True)
            if row is None:
                raise NotFound(f"There is no alert {id!r}.")
            if row.state != OPEN:
                raise Conflict("This alert is resolved already.")
            if row.acknowledged_by:
                raise Conflict(f"{row.acknowledged_by} has acknowledged it already.")
            row.acknowledged_by, row.acknowledged = key(actor), self._now()
            row.note = clean(note[:2000])
            session.add(row)
            self._record(
                session,
                actor,
                "alert.acknowledged",
                f"alert:{id}",
                None,
                {"rule": row.rule, "target": row.target, "note": row.note},
            )
        self._announce()
        return self.get(id)

    def mute(
        self, rule: str, actor: str, until: Any, target: str = "", note: str = ""
    ) -> dict[str, Any]:
        """Tell nobody of a rule's alerts (of one target, or all) until a time. Raises `Refused`."""
        self.rule(rule)
        end = seconds(until)
        if end is None or end <= self._now():
            raise Refused("A mute needs an end, and one in the future.")
        place = (rule, key(target))
        with self._platform.database.session() as session:
            was = session.get(AlertMuteRow, place)
            before = show_mute(was) if was else None
            row = session.merge(
                AlertMuteRow(
                    rule=rule,
                    target=place[1],
                    until=end,
                    by=key(actor),
                    at=self._now(),
                    note=clean(note[:2000]),
                )
            )
            shown = show_mute(row)
            self._record(session, actor, "alert.muted", f"alert-rule:{rule}", before, shown)
        self._announce()
        return shown

    def unmute(self, rule: str, actor: str, target: str = "") -> None:
        """Tell again. Raises `NotFound` where it is not muted."""
        with self._platform.database.session() as session:
            row = session.get(AlertMuteRow, (rule, key(target)))
            if row is None:
                raise NotFound(f"{rule}{f' of {target}' if target else ''} is not muted.")
            before = show_mute(row)
            session.delete(row)
            self._record(session, actor, "alert.unmuted", f"alert-rule:{rule}", before, None)
        self._announce()

    def _record(
        self, session: Session, actor: str, action: str, target: str, before: Any, after: Any
    ) -> None:
        self._platform.audit.record(actor, action, target, before, after, session=session)

    def _announce(self) -> None:
        self._platform.changes.announce(ABOUT)

    def _now(self) -> float:
        return float(self._platform.clock.now())

    # -- judging: the caretaker's chore

    def evaluate(self) -> int:
        """Hold every rule against how things are, and tell what changed; how many alerts changed."""
        judged = {j.rule.name: j.rule for j in self._judged() if not j.problem and j.rule.enabled}
        values = self._read({rule.measure for rule in judged.values()})
        with self._platform.database.session() as session:
            Bulk(session).lock(LOCK)
            changes = self._decide(session, judged, values)
        self._tell()
        if changes:
            self._announce()
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

    # -- telling

    def _tell(self) -> None:
        """Publish what was not told yet; what can't be now is told the next time."""
        mutes = self._store.mutes(self._now())
        for row in self._store.untold():
            if _mute_of(mutes, row) and row.state == OPEN:
                continue
            # What came and went unheard, under a mute, is told to nobody.
            silent = row.told < 1 and row.state != OPEN and _mute_of(mutes, row)
            events = [] if silent else _events(row)
            try:
                self._platform.publisher.publish(events)
            except Unavailable as error:
                log.warning("an alert could not be told; trying again", error=str(error))
                return
            with self._platform.database.session() as session:
                told = session.get(AlertRow, row.id)
                if told is not None:
                    told.told = 2 if row.state != OPEN else 1
                    session.add(told)


def _read_rule(row: AlertRuleRow) -> Judged:
    """A stored rule; one that another version wrote, or a hand, may be broken."""
    values = row.rule if isinstance(row.rule, dict) else {}
    try:
        rule: Rule | None = Rule(**{**values, "name": row.name})
        problem = rule.problem() if rule else None
    except TypeError as error:
        rule, problem = None, f"It can't be read: {error}."
    if problem:
        measure = rule.measure if rule is not None else ""
        problem = f"{problem} Remove it, or set it anew."
        rule = Rule(row.name, str(measure), 0.0, 0.0, enabled=False)
    assert rule is not None
    return Judged(rule, False, row.changed_by, row.changed, problem)


def _mute_of(mutes: Mapping[Place, AlertMuteRow], row: AlertRow) -> AlertMuteRow | None:
    return mutes.get((row.rule, row.target)) or mutes.get((row.rule, ""))


def _events(row: AlertRow) -> list[Event]:
    """The events that are still owed: of raising, of resolving, or both in this order."""
    facts = {
        "alert": row.id,
        "rule": row.rule,
        "measure": row.measure,
        "target": row.target,
        "severity": row.severity,
        "value": row.value,
        "above": row.above,
        "summary": words.summary(row.measure, row.target, row.value, row.above),
        "page": words.page(row.measure, quote(row.target, safe="")),
        "raised": iso(row.raised),
    }
    raised = Event(type="alert.raised", id=row.id, data=facts, **_about(row))
    if row.state == OPEN:
        return [raised]
    resolved = Event(
        type="alert.resolved",
        id=f"{row.id}:resolved",
        correlationid=row.id,
        causationid=row.id,
        data={**facts, "resolved": iso(row.resolved), "reason": row.reason or ""},
        **_about(row),
    )
    return [resolved] if row.told else [raised, resolved]


def _about(row: AlertRow) -> dict[str, Any]:
    return {"source": SOURCE, "subject": row.target, "partitionkey": row.target}
