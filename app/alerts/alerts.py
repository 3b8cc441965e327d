"""An operator's hand on alerts: look, set rules, acknowledge, mute.

How they are judged is in `judging.py`, how they are told in `telling.py`. A muted alert is
kept like any other.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlmodel import Session

from app.alerts import words
from app.alerts.in_force import in_force
from app.alerts.judging import ABOUT, Judging
from app.alerts.rule import CHANGEABLE, DEFAULTS, changed
from app.alerts.telling import mute_of
from app.errors import Conflict, NotFound, Refused
from app.store.alerts import (
    OPEN,
    AlertMuteRow,
    AlertRow,
    AlertRuleRow,
    AlertStore,
    show_alert,
    show_mute,
)
from app.store.columns import clean, key
from app.store.moments import iso, seconds
from app.store.page import Page


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
            for judged in in_force(self._store)
        ]

    def rule(self, name: str) -> dict[str, Any]:
        """One rule. Raises `NotFound`."""
        for each in self.rules():
            if each["name"] == name:
                return each
        raise NotFound(f"There is no rule {name!r}: `python -m app alerts rules` lists them.")

    def _shown(self, rows: list[AlertRow]) -> list[dict[str, Any]]:
        mutes = self._store.mutes(self._now())
        return [
            {
                **show_alert(row),
                "summary": words.summary(row.measure, row.target, row.value, row.above),
                "page": words.page(row.measure, row.target),
                "muted": show_mute(mute) if (mute := mute_of(mutes, row)) else None,
            }
            for row in rows
        ]

    # -- changing

    def set_rule(self, name: str, changes: Mapping[str, Any], actor: str) -> dict[str, Any]:
        """Change a rule, or make it. Raises `Refused` where it could not be judged."""
        was = next((j.rule for j in in_force(self._store) if j.rule.name == name), None)
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

    # -- judging

    def evaluate(self) -> int:
        """Hold every rule against how things are, and tell what changed; how many alerts changed."""
        return Judging(self._platform, self._store).evaluate()
