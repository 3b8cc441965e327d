"""An alert's rule: what is measured, from where on it is bad, and for how long it must be.

A value above `above` for `lasting` seconds raises; one at or below `clear` for
`clear_lasting` seconds resolves. The room between the two is the hysteresis: a
value that wavers there changes nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from fnmatch import fnmatchcase
from typing import Any

from app.errors import Refused


@dataclass(frozen=True)
class Measure:
    """What a rule may look at. `kind` is how its values are written: seconds, share or count."""

    name: str
    about: str
    target: str
    kind: str


MEASURES = {
    each.name: each
    for each in (
        Measure("lag", "how long the oldest event waits unread", "subscription", "seconds"),
        Measure(
            "failure-share",
            "the share of attempts that failed in five minutes (of ten at least)",
            "subscription",
            "share",
        ),
        Measure("dead-letters", "how many events are parked", "subscription", "count"),
        Measure("stuck-runs", "how long a run waits for one delivery", "subscription", "seconds"),
        Measure("silent-topics", "how long no event came", "topic", "seconds"),
        Measure("dead-workers", "how many died in the last ten minutes", "all", "count"),
        Measure("unserved-lanes", "1 where no live worker serves a lane in use", "lane", "count"),
        Measure(
            "stopped-projections",
            "1 where one is stopped, or what is built beside it",
            "projection or reactor",
            "count",
        ),
        Measure("relay-lag", "how long what was committed waits for the relay", "all", "seconds"),
        Measure("refused-events", "how many committed events can't be published", "all", "count"),
    )
}
SEVERITIES = ("warning", "critical")
LONGEST = 7 * 86_400.0


@dataclass(frozen=True)
class Rule:
    """`target` is a name, a pattern with `*`, or empty for whatever the measure has."""

    name: str
    measure: str
    above: float
    clear: float
    lasting: float = 0.0
    clear_lasting: float = 0.0
    target: str = ""
    severity: str = "warning"
    enabled: bool = True

    def covers(self, target: str) -> bool:
        return not self.target or fnmatchcase(target, self.target)

    def problem(self) -> str | None:
        """Why this rule can't be judged, in words; None where it can."""
        if self.measure not in MEASURES:
            return f"There is no measure {self.measure!r}; there are {', '.join(MEASURES)}."
        if self.severity not in SEVERITIES:
            return f"severity is {self.severity!r}; it must be {' or '.join(SEVERITIES)}."
        for field in ("above", "clear", "lasting", "clear_lasting"):
            value = getattr(self, field)
            if isinstance(value, bool) or not isinstance(value, int | float):
                return f"{field} must be a number; it is {value!r}."
            if not math.isfinite(value) or value < 0:
                return f"{field} must be 0 or more; it is {value!r}."
        if self.clear > self.above:
            return f"clear ({self.clear:g}) must not be over above ({self.above:g})."
        if max(self.lasting, self.clear_lasting) > LONGEST:
            return "lasting and clear_lasting are seconds, at most seven days."
        if self.measure == "silent-topics" and not self.target:
            return "Silence is wrong only where somebody expects events: name the topic as target."
        return None

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


CHANGEABLE = tuple(field.name for field in fields(Rule) if field.name != "name")


def changed(rule: Rule | None, name: str, changes: Mapping[str, Any]) -> Rule:
    """The rule with these changes, or a new one from them. Raises `Refused`, saying why."""
    unknown = [field for field in changes if field not in CHANGEABLE]
    if unknown:
        raise Refused(f"A rule has no {unknown[0]!r}; it has {', '.join(CHANGEABLE)}.")
    if not name or len(name) > 80 or not all(c.isalnum() or c in "-_." for c in name):
        raise Refused("A rule's name has 1 to 80 letters, digits, dots, dashes or underscores.")
    values: dict[str, Any] = rule.to_dict() if rule else {"name": name}
    values.update(changes)
    for needed in ("measure", "above"):
        if needed not in values:
            raise Refused(f"A new rule needs {needed}.")
    values.setdefault("clear", values["above"])
    if "above" in changes and "clear" not in changes and isinstance(values["above"], int | float):
        values["clear"] = min(values["clear"], values["above"])
    for field in ("measure", "target", "severity"):
        if field in values and not isinstance(values[field], str):
            raise Refused(f"{field} must be a text.")
    if len(values.get("target", "")) > 200:
        raise Refused("target is longer than 200 characters.")
    if not isinstance(values.get("enabled", True), bool):
        raise Refused("enabled must be true or false.")
    made = Rule(**values)
    if problem := made.problem():
        raise Refused(problem)
    return made


DEFAULTS = {
    rule.name: rule
    for rule in (
        Rule("late", "lag", above=60, clear=30, lasting=120, clear_lasting=60),
        Rule("failing", "failure-share", above=0.1, clear=0.05, lasting=60, clear_lasting=120,
             severity="critical"),
        Rule("parked", "dead-letters", above=10, clear=5),
        Rule("stuck", "stuck-runs", above=3600, clear=1800),
        Rule("dead-workers", "dead-workers", above=0, clear=0),
        Rule("unserved-lanes", "unserved-lanes", above=0, clear=0, lasting=30, clear_lasting=10,
             severity="critical"),
        Rule("stopped-projections", "stopped-projections", above=0, clear=0, lasting=30,
             clear_lasting=10, severity="critical"),
        Rule("relay-stands-still", "relay-lag", above=60, clear=10, lasting=30, clear_lasting=10,
             severity="critical"),
        Rule("refused-events", "refused-events", above=0, clear=0),
    )
}  # fmt: skip
"""In force without anybody's doing; a change or a removal by a person counts instead."""
