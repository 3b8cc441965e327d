"""Judging the target column: which task it means, its classes, and why it won't do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from app.ml.profile import ColumnProfile
from app.ml.schema import Task, target_labels
from app.ml.values import in_order, label

MOST_CLASSES = 200
SMALL_CLASS = 0.1
"""Of the share that a class would have if all were alike."""
FEW_NUMBERS = 20
"""Whole numbers with at most this many different values are classes, not quantities."""


@dataclass
class TargetVerdict:
    """The task (None where it can't be told) and the labels, or the reasons against."""

    task: Task | None = None
    labels: tuple[str, ...] = ()
    classes: dict[str, int] = field(default_factory=dict)
    reasons: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    summary: dict[str, Any] = field(default_factory=dict)


def judge_target(column: ColumnProfile, wanted: Task | None) -> TargetVerdict:
    verdict = TargetVerdict()
    if column.rows and not column.present:
        verdict.reasons.append(
            f"The target {column.name!r} is missing in every row. Choose another column to predict, "
            "or upload the table with its values."
        )
    elif column.present:
        verdict.task = wanted or _task_of(column)
        if column.missing:
            verdict.notes.append(
                f"{column.missing:,} of {column.rows:,} rows have no target and are left out."
            )
        form = column.date_form
        if form is not None and wanted is None:
            verdict.reasons.append(
                f"The target {column.name!r} holds dates ({form}). A date can't be predicted: put "
                "a number there, such as the days from another date; or, where few dates are "
                "classes, say that the task is a classification."
            )
        elif verdict.task == "classification":
            _judge_classes(verdict, column)
        else:
            _judge_quantity(verdict, column)
    kind = "number" if verdict.task == "regression" else "category"
    verdict.summary = column.summary(kind) | {"target": True}
    return verdict


def _task_of(column: ColumnProfile) -> Task:
    numeric = column.numeric == column.present
    many = column.overflowed or column.distinct > FEW_NUMBERS
    few_fractions = column.fractional and column.distinct > FEW_NUMBERS // 2
    return "regression" if numeric and (many or few_fractions) else "classification"


def _judge_classes(verdict: TargetVerdict, column: ColumnProfile) -> None:
    counted = target_labels(column.values)
    if column.overflowed or len(counted) > MOST_CLASSES or len(counted) > column.present / 2:
        number = f"more than {column.distinct:,}" if column.overflowed else f"{len(counted):,}"
        verdict.reasons.append(
            f"The target {column.name!r} has {number} different values in {column.present:,} "
            "rows: too many to be "
            "classes, and not all are numbers. Choose another target, or one with at most "
            f"{MOST_CLASSES} classes."
        )
        return
    verdict.notes += _respelt(column.values)
    verdict.labels = tuple(in_order(list(counted)))
    verdict.classes = {text: counted[text] for text in verdict.labels}
    if len(counted) == 1:
        verdict.reasons.append(
            f"The target {column.name!r} has one class only: {verdict.labels[0]!r} in every row. "
            "There is nothing to tell apart: upload rows of another class too, or choose another "
            "column to predict."
        )
        return
    least = min(verdict.classes, key=lambda text: verdict.classes[text])
    share = verdict.classes[least] / sum(verdict.classes.values())
    if share < SMALL_CLASS / len(counted):
        verdict.warnings.append(
            f"The classes are of very different size: {least!r} is {share:.2%} of the rows. "
            "Accuracy says little then; look at auc and f1."
        )
    rare = [text for text, times in verdict.classes.items() if times < 5]
    if rare:
        shown = ", ".join(rare[:5])
        verdict.notes.append(
            f"Few rows to learn from for {len(rare)} of {len(counted)} classes (under 5 rows): "
            f"{shown}."
        )


def _respelt(values: Mapping[str, int]) -> list[str]:
    """What is said about labels that are written in several ways."""
    notes = []
    dotted = {text: times for text, times in values.items() if text.endswith(".")}
    dotted = {text: times for text, times in dotted.items() if label(text) != text}
    if dotted:
        example = next(iter(dotted))
        notes.append(
            f"{sum(dotted.values()):,} labels end in a dot, which is ignored: "
            f"{example!r} is read as {label(example)!r}."
        )
    folded: dict[str, set[str]] = {}
    for text in values:
        folded.setdefault(label(text).casefold(), set()).add(label(text))
    for spellings in folded.values():
        if len(spellings) > 1:
            shown = " and ".join(map(repr, sorted(spellings)))
            notes.append(f"The labels {shown} differ by upper and lower case only: two classes.")
    return notes


def _judge_quantity(verdict: TargetVerdict, column: ColumnProfile) -> None:
    if column.numeric < column.present:
        verdict.reasons.append(
            f"The target {column.name!r} should be a number for a regression, and "
            f"{column.present - column.numeric:,} of its values aren't, such as {column.odd!r}."
        )
    elif column.lowest == column.highest:
        verdict.reasons.append(
            f"The target {column.name!r} is {column.lowest:g} in every row. There is nothing to "
            "predict: choose another column."
        )
