"""What a column looked like, kept small, and how far another upload is from it.

A reference is plain JSON: shares of the values in bins of equal size, or of
the most common categories. The distance is the population stability index
(PSI): the sum of (new - old) * ln(new / old) over the bins. 0.1 is a shift to
look at, 0.2 one to act on; what chance alone gives small tables is added.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from app.ml.profile import ColumnProfile

BINS = 10
COLUMNS = 2000
"""Columns of which a reference is kept."""
CATEGORIES = 50
KNOWN = 300
MOVED = 0.2
LEAST_SHARE = 1e-4
SHOWN = 5

Reference = dict[str, Any]


def reference(column: ColumnProfile) -> Reference:
    """What to compare the next upload's column with."""
    found: Reference = {"rows": column.rows, "missing": _share(column.missing, column.rows)}
    if column.is_number:
        found |= {"kind": "number", "min": column.lowest, "max": column.highest}
        values = column.sample.values
        edges = np.unique(np.quantile(values, np.linspace(0, 1, BINS + 1)[1:-1]))
        return found | {"edges": edges.tolist(), "shares": _shares(values, edges).tolist()}
    common = dict(column.values.most_common(CATEGORIES))
    shares = {text: times / max(1, column.present) for text, times in common.items()}
    known = [] if column.overflowed or column.distinct > KNOWN else sorted(column.values)
    return found | {"kind": "category", "shares": shares, "known": known}


def psi(before: Mapping[str, Any], column: ColumnProfile) -> float | None:
    """The index of a column against its reference; None where they can't be compared."""
    if not column.present or before["kind"] != ("number" if column.is_number else "category"):
        return None
    if column.is_number:
        old = np.asarray(before["shares"])
        new = _shares(column.sample.values, np.asarray(before["edges"]))
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
    kind = "number" if column.is_number else "category"
    if before["kind"] != kind:
        words = {"number": "numbers", "category": "text"}
        return [
            _change(column.name, "type", f"It held {words[before['kind']]}, now {words[kind]}.")
        ]
    changes = []
    missing = _share(column.missing, column.rows)
    if abs(missing - before["missing"]) > 0.05:
        text = f"Missing in {missing:.1%} of the rows; it was {before['missing']:.1%}."
        changes.append(_change(column.name, "missing values", text))
    if kind == "number":
        changes += _range(before, column)
    elif before["known"] and not column.overflowed:
        changes += _categories(before, column)
    index = psi(before, column)
    if index is not None and index > max(MOVED, by_chance(before, column)):
        text = f"Its values are spread differently: PSI {index:.2f}."
        changes.append(_change(column.name, "drift", text, index))
    return changes


def _range(before: Reference, column: ColumnProfile) -> list[dict[str, Any]]:
    slack = 0.1 * (before["max"] - before["min"])
    if column.lowest >= before["min"] - slack and column.highest <= before["max"] + slack:
        return []
    text = (
        f"It goes from {column.lowest:g} to {column.highest:g}; "
        f"it went from {before['min']:g} to {before['max']:g}."
    )
    return [_change(column.name, "range", text)]


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
