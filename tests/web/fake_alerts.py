"""A fake of the alerts: two that are up, one that is over, the default rules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.alerts import words
from app.alerts.rule import DEFAULTS, changed
from app.errors import Conflict, NotFound
from tests.web.fake_paging import Page, page, stamp
from tests.web.fake_time import Json, at


def alert(id: str, rule: str, target: str, value: float, age: float, **more: Any) -> Json:
    made = DEFAULTS[rule]
    return {
        "id": id, "state": "raised", "rule": rule, "measure": made.measure, "target": target,
        "severity": made.severity, "above": made.above, "value": value, "worst": value,
        "raised": at(age), "resolved": None, "reason": None, "acknowledged": None, "muted": None,
        "page": words.page(made.measure, target),
        "summary": words.summary(made.measure, target, value, made.above), **more,
    }  # fmt: skip


class FakeAlerts:
    def __init__(self) -> None:
        self.rows = [
            alert("al-1", "failing", "shop.handlers.charge", 0.31, 600),
            alert("al-2", "parked", "shop.handlers.charge", 24, 500),
            alert("al-0", "late", "shop.handlers.notify", 20, 7000, state="resolved",
                  resolved=at(6000), reason="It is well again."),
        ]  # fmt: skip
        self._rules = dict(DEFAULTS)
        self._mutes: dict[str, list[Json]] = {}

    def find(self, state: str | None = None, limit: int = 50, cursor: str | None = None) -> Page:
        return page((r for r in self.rows if state in (None, r["state"])), limit, cursor)

    def get(self, id: str) -> Json:
        for row in self.rows:
            if row["id"] == id:
                return row
        raise NotFound(f"There is no alert {id!r}.")

    def up(self) -> list[Json]:
        return [r for r in self.rows if r["state"] == "raised" and not r["acknowledged"]]

    def rules(self) -> list[Json]:
        return [
            {**rule.to_dict(), "default": rule is DEFAULTS.get(name), "changed_by": None,
             "changed": None, "problem": None, "mutes": self._mutes.get(name, [])}
            for name, rule in sorted(self._rules.items())
        ]  # fmt: skip

    def rule(self, name: str) -> Json:
        for row in self.rules():
            if row["name"] == name:
                return row
        raise NotFound(f"There is no rule {name!r}.")

    def set_rule(self, name: str, changes: Mapping[str, Any], actor: str) -> Json:
        self._rules[name] = changed(self._rules.get(name), name, changes)
        return self.rule(name)

    def remove_rule(self, name: str, actor: str) -> None:
        if self.rule(name)["default"]:
            raise Conflict(f"{name} is a default and unchanged.")
        del self._rules[name]

    def acknowledge(self, id: str, actor: str, note: str = "") -> Json:
        row = self.get(id)
        if row["acknowledged"]:
            raise Conflict("Somebody has acknowledged it already.")
        row["acknowledged"] = {"by": actor, "at": at(0), "note": note}
        return row

    def mute(self, rule: str, actor: str, until: Any, target: str = "", note: str = "") -> Json:
        self.rule(rule)
        made = {"rule": rule, "target": target, "until": stamp(until), "by": actor, "at": at(0),
                "note": note}  # fmt: skip
        self._mutes.setdefault(rule, []).append(made)
        return made

    def unmute(self, rule: str, actor: str, target: str = "") -> None:
        self.rule(rule)
        if not self._mutes.pop(rule, None):
            raise NotFound(f"{rule} is not muted.")
