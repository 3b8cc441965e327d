"""Which columns a model learns from, as what, and why the others are left out."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from app.ml import dates
from app.ml.profile import KEY_LENGTH, ODD_LIMIT, ColumnProfile
from app.ml.schema import Feature
from app.ml.values import in_order

_IDENTIFIER = re.compile(
    r"^(unnamed.*|index|idx|row|rownum|(.*[_ .-])?(id|no|nr|key))$", re.IGNORECASE
)
MOST_CATEGORIES = 200
"""Histogram gradient boosting takes up to 255 per column."""


@dataclass
class Choice:
    """The features; every column's summary in the table's order; notes about what was decided."""

    features: list[Feature] = field(default_factory=list)
    profile: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def choose_features(columns: list[ColumnProfile]) -> Choice:
    choice = Choice()
    left_out: dict[str, list[str]] = {}
    for column in columns:
        feature, why, note = _judge(column)
        if feature:
            choice.features.append(feature)
        else:
            left_out.setdefault(why or "", []).append(column.name)
        choice.profile.append(column.summary(feature.kind if feature else "left out", note or why))
        if feature and feature.kind == "date":
            days = [dates.day_number(cell, feature.form) for cell in column.values]
            known = sorted(day for day in days if day is not None)
            choice.profile[-1] |= {
                "first": dates.written(known[0]), "last": dates.written(known[-1])
            }  # fmt: skip
        if note:
            choice.notes.append(f"{column.name}: {note}.")
    for why, names in left_out.items():
        shown = ", ".join(names[:8]) + (", …" if len(names) > 8 else "")
        plural = "columns" if len(names) > 1 else "column"
        choice.notes.append(f"{len(names)} {plural} left out ({why}): {shown}.")
    return choice


def _judge(column: ColumnProfile) -> tuple[Feature | None, str | None, str | None]:
    """The feature or None, why it is left out, and a note about it."""
    if not column.present:
        return None, "no values", None
    if column.distinct == 1 and not column.overflowed and not column.missing:
        return None, "the same value in every row", None
    optional = column.missing > 0
    if column.numbers_each_row and _IDENTIFIER.search(column.name):
        return None, "its name and a number of its own in every row say: an identifier", None
    if column.is_number:
        odd = column.present - column.numeric
        note = (
            f"{odd:,} cells are no numbers, such as {column.odd!r}, and count as missing, in "
            "predictions too"
            if odd
            else "it numbers the rows; leave it out of the file if it is an identifier"
            if column.numbers_rows
            else None
        )
        feature = Feature(
            column.name,
            "number",
            optional=optional or odd > 0,
            blanks=tuple(sorted(column.odds or ())),
            lenient=column.odds is None,
        )
        return feature, None, note
    return _judge_text(column, optional)


def _date(column: ColumnProfile, form: str) -> Feature:
    odd = sorted(cell for cell in column.values if dates.day_number(cell, form) is None)
    cut = any(len(cell) >= KEY_LENGTH for cell in odd)  # the profile keeps no more of a cell
    lenient = column.overflowed or len(odd) > ODD_LIMIT or cut
    blanks = () if lenient else tuple(odd)
    return Feature(column.name, "date", (), True, form, blanks, lenient)


def _judge_text(
    column: ColumnProfile, optional: bool
) -> tuple[Feature | None, str | None, str | None]:
    form = column.date_form
    if form is not None and column.distinct > 1:
        unsure = dates.ambiguous(column.values, form)
        told = f"dates ({form}" + (", or the other way round)" if unsure else ")")
        return _date(column, form), None, told
    common = [value for value, _ in column.values.most_common(MOST_CATEGORIES)]
    covered = sum(column.values[value] for value in common)
    if column.distinct > 0.9 * column.present and column.present > 20:
        return None, "different in almost every row, like an identifier or free text", None
    if covered < 0.5 * column.present:
        return (
            None,
            f"more than {MOST_CATEGORIES} rare values, like an identifier or free text",
            None,
        )
    note = None
    if column.distinct > len(common):
        note = (
            f"the {MOST_CATEGORIES} most common of {column.distinct:,} values are told apart, "
            "the others are not"
        )
    return Feature(column.name, "category", tuple(in_order(common)), optional), None, note
