"""An operator's rules for rows: `age between 0 and 120`, `no nulls in city`, `price > 0`,
`plan in free, pro`.

A rule is one line of text. A missing cell breaks a rule of nulls only; a cell
that is no number breaks every rule of numbers. Rows that break a rule are left
out of training and tests, counted, and can be downloaded.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from app.ml.errors import Unreadable
from app.ml.values import MISSING, number

MOST_RULES = 100
_NUMBER = r"([+-]?\d+(?:\.\d+)?)"
_FORMS = (
    ("nulls", re.compile(r"no (?:nulls|missing(?: values)?) in (?P<column>.+)", re.IGNORECASE)),
    (
        "between",
        re.compile(rf"(?P<column>.+?) between {_NUMBER} and {_NUMBER}", re.IGNORECASE),
    ),
    ("in", re.compile(r"(?P<column>.+?) in (?P<list>.+)", re.IGNORECASE)),
    ("than", re.compile(rf"(?P<column>.+?)\s*(?P<sign><=|>=|<|>)\s*{_NUMBER}")),
)
EXAMPLES = "`age between 0 and 120`, `no nulls in city`, `price > 0` or `plan in free, pro`"
_SIGNS: dict[str, Callable[[float, float], bool]] = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


class BadRule(Unreadable):
    """A rule can't be understood, or names a column that isn't there; the message says which."""


@dataclass(frozen=True)
class Rule:
    """`keeps` says whether a stripped cell of the column is as it should be."""

    text: str
    column: str
    keeps: Callable[[str], bool]


def parse(text: str, decimal: str = ".") -> Rule:
    """Raises `BadRule`."""
    line = " ".join(text.split())
    for kind, form in _FORMS:
        found = form.fullmatch(line)
        if found:
            column = found["column"].strip().strip("\"'`")
            return Rule(line, column, _check(kind, found, decimal))
    raise BadRule(f"The rule {line[:100]!r} isn't understood: write {EXAMPLES}.")


def _check(kind: str, found: re.Match[str], decimal: str) -> Callable[[str], bool]:
    if kind == "nulls":
        return lambda cell: cell not in MISSING
    if kind == "in":
        allowed = {word.strip().strip("\"'`") for word in found["list"].strip("()[]").split(",")}
        return lambda cell: cell in MISSING or cell in allowed
    if kind == "between":
        low, high = float(found[2]), float(found[3])
        return lambda cell: cell in MISSING or _holds(cell, decimal, lambda v: low <= v <= high)
    compare, limit = _SIGNS[found["sign"]], float(found[3])
    return lambda cell: cell in MISSING or _holds(cell, decimal, lambda v: compare(v, limit))


def _holds(cell: str, decimal: str, test: Callable[[float], bool]) -> bool:
    value = number(cell, decimal)
    return value is not None and test(value)


class Rules:
    """The rules of a table. Raises `BadRule` where a column isn't there."""

    def __init__(self, texts: Sequence[str], columns: Sequence[str], decimal: str):
        self.rules = [parse(text, decimal) for text in texts]
        self._places: list[int] = []
        for rule in self.rules:
            if rule.column not in columns:
                raise BadRule(
                    f"The rule {rule.text!r} is about a column {rule.column!r}, which isn't there. "
                    "Upload the file with that column, or change the dataset's rules."
                )
            self._places.append(list(columns).index(rule.column))

    def broken(self, row: Sequence[str]) -> str | None:
        """The first rule that a row breaks."""
        for rule, place in zip(self.rules, self._places, strict=True):
            if not rule.keeps(row[place]):
                return rule.text
        return None
