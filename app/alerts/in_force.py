"""The rules in force: the code's defaults, and what people set instead or beside."""

from __future__ import annotations

from dataclasses import dataclass

from app.alerts.rule import DEFAULTS, Rule
from app.store.alerts import AlertRuleRow, AlertStore


@dataclass(frozen=True)
class InForce:
    """A rule in force, and why it can't be judged where that is so."""

    rule: Rule
    default: bool
    by: str | None = None
    at: float | None = None
    problem: str | None = None


def in_force(store: AlertStore) -> list[InForce]:
    """Every rule, by name."""
    found = {name: InForce(rule, default=True) for name, rule in DEFAULTS.items()}
    for row in store.rules():
        found[row.name] = _read_rule(row)
    return [found[name] for name in sorted(found)]


def _read_rule(row: AlertRuleRow) -> InForce:
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
    return InForce(rule, False, row.changed_by, row.changed, problem)
