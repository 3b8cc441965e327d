"""What a column looked like, kept small, and how far another upload is from it.

A reference is plain JSON: shares of the numbers or dates in bins of equal size, or of
the most common categories. The distance is the population stability index
(PSI): the sum of (new - old) * ln(new / old) over the bins. 0.1 is a shift to
look at, 0.2 one to act on; what chance alone gives small tables is added.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from app.ml import dates
from app.ml.profile import ColumnProfile

BINS = 10
COLUMNS = 2000
"""Columns of which a reference is kept."""
CATEGORIES = 50
KNOWN = 300
MOSTLY_NEW = 0.5
"""Of a column's values are different: then new ones are what one expects."""
MOVED = 0.2
DAYS = 20_000
"""Dates that are looked at, about, each day as often as it is common."""
LEAST_SHARE = 1e-4
SHOWN = 5

Reference = dict[str, Any]


def reference(column: ColumnProfile) -> Reference:
    """What to compare the next upload's column with."""
    found: Reference = {"rows": column.rows, "missing": _share(column.missing, column.rows)}
    kind, values = _measured(column)
    if kind != "category":
        found |= {"kind": kind, "min": float(values.min()), "max": float(values.max())}
        if kind == "number":
            found |= {"min": column.lowest, "max": column.highest}
        edges = np.unique(np.quantile(values, np.linspace(0, 1, BINS + 1)[1:-1]))
        return found | {"edges": edges.tolist(), "shares": _shares(values, edges).tolist()}
    common = dict(column.values.most_common(CATEGORIES))
    shares = {text: times / max(1, column.present) for text, times in common.items()}
    rare = column.overflowed or column.distinct > min(KNOWN, MOSTLY_NEW * column.present)
    known = [] if rare else sorted(column.values)
    return found | {"kind": "category", "shares": shares, "known": known}


def _measured(column: ColumnProfile) -> tuple[str, np.ndarray]:
    """What the column is compared as, and its numbers, or days since 1970."""
    if column.is_number:
        return "number", column.sample.values
    form = column.date_form
    if form is None:
        return "category", np.empty(0)
    days = [dates.day_number(cell, form) for cell in column.values]
    times = np.asarray(
        [0 if d is None else n for d, n in zip(days, column.values.values(), strict=True)]
    )
    few = np.ceil(times * min(1.0, DAYS / times.sum())).astype(int)
    return "date", np.repeat(np.asarray(days, dtype=np.float64), few)


def psi(before: Mapping[str, Any], column: ColumnProfile) -> float | None:
    """The index of a column against its reference; None where they can't be compared."""
    kind, values = _measured(column)
    if not column.present or before["kind"] != kind:
        return None
    if kind != "category":
        old = np.asarray(before["shares"])
        new = _shares(values, np.asarray(before["edges"]))
    elif sum(before["shares"].values()) < 0.5:
        return None  # hardly any value twice: texts, identifiers, dates
    else:
        names = list(before["shares"])
        old = np.asarray([*before["shares"].values(), 0.0])
        new = np.asarray([column.values[name] / column.present for name in names] + [0.0])
        old[-1], new[-1] = max(0.0, 1 - old.sum()), max(0.0, 1 - new.sum())
    old, new = np.maximum(old, LEAST_SHARE), np.maximum(new, LEAST_SHARE)
    return float(((new - old) * np.log(new / old)).sum())


def by_chance(before: Mapping[str, Any], column: ColumnProfile) -> float:
    """The index that two samples of the same would hardly ever reach."""
    bins = len(before["shares"])
    return 3 * bins * (1 / max(1, before["rows"]) + 1 / max(1, column.present))


def compare(
    before: Mapping[str, Reference], columns: list[ColumnProfile], *, whole: bool = True
) -> list[dict[str, Any]]:
    """What is other than in the upload before, `{"column", "kind", "text", "psi"}` for each."""
    names = {column.name for column in columns}
    changes = [
        _change(name, "missing column", "The column is gone.")
        for name in before
        if name not in names and whole
    ]
    for column in columns:
        if column.name not in before:
            if whole:
                changes.append(_change(column.name, "new column", "The column is new."))
            continue
        changes += _of_column(before[column.name], column)
    return changes


def _of_column(before: Reference, column: ColumnProfile) -> list[dict[str, Any]]:
    kind, values = _measured(column)
    if before["kind"] != kind:
        words = {"number": "numbers", "date": "dates", "category": "text"}
        return [
            _change(column.name, "type", f"It held {words[before['kind']]}, now {words[kind]}.")
        ]
    changes = []
    missing = _share(column.missing, column.rows)
    if abs(missing - before["missing"]) > 0.05:
        text = f"Missing in {missing:.1%} of the rows; it was {before['missing']:.1%}."
        changes.append(_change(column.name, "missing values", text))
    if kind == "number":
        changes += _range(before, column.name, column.lowest, column.highest, "{:g}".format)
    elif kind == "date":
        ends = float(values.min()), float(values.max())
        changes += _range(before, column.name, *ends, dates.written)
    elif before["known"] and not column.overflowed:
        changes += _categories(before, column)
    index = psi(before, column)
    if index is not None and index > max(MOVED, by_chance(before, column)):
        text = f"Its values are spread differently: PSI {index:.2f}."
        changes.append(_change(column.name, "drift", text, index))
    return changes


def _range(
    before: Reference, name: str, low: float, high: float, write: Callable[[float], str]
) -> list[dict[str, Any]]:
    slack = 0.1 * (before["max"] - before["min"])
    if low >= before["min"] - slack and high <= before["max"] + slack:
        return []
    text = (
        f"It goes from {write(low)} to {write(high)}; "
        f"it went from {write(before['min'])} to {write(before['max'])}."
    )
    return [_change(name, "range", text)]


def _categories(before: Reference, column: ColumnProfile) -> list[dict[str, Any]]:
    known = set(before["known"])
    new = [text for text, _ in column.values.most_common() if text not in known]
    if not new:
        return []
    rows = sum(column.values[text] for text in new)
    shown = ", ".join(repr(text[:40]) for text in new[:SHOWN]) + (", …" if len(new) > SHOWN else "")
    noun = "value" if len(new) == 1 else "values"
    return [
        _change(
            column.name, "new categories", f"{len(new):,} new {noun} in {rows:,} rows: {shown}."
        )
    ]


def _change(column: str, kind: str, text: str, index: float | None = None) -> dict[str, Any]:
    found: dict[str, Any] = {"column": column, "kind": kind, "text": text}
    return found if index is None else found | {"psi": round(index, 4)}


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def _shares(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    counts = np.bincount(np.searchsorted(edges, values, side="right"), minlength=len(edges) + 1)
    return counts / max(1, len(values))
