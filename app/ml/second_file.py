"""Judging the second file of an upload: can the model be tested on it?

It needs the target and every feature, labels that the first file knows, and
numbers where the first has numbers. What it finds goes into the report.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import BinaryIO

from app.ml.dates import day_number
from app.ml.errors import Unreadable
from app.ml.labels import Labels
from app.ml.looking import look
from app.ml.profile import ColumnProfile
from app.ml.reading import Table
from app.ml.report import Report, counted
from app.ml.schema import Feature, Schema
from app.ml.watching import Watch


def judge_evaluation(report: Report, file: BinaryIO, watch: Watch) -> None:
    """The second file needs the target and every feature, and labels that the first one knows."""
    schema = report.schema
    assert schema is not None and report.dialect is not None
    try:
        table = Table.open(
            file,
            header=report.dialect.header,
            target=schema.target,
            rules=report.dialect.rules,
            like=schema.like,
        )
        what = "reading the evaluation file"
        profiles = {p.name: p for p in look(table, watch, what).columns}
    except Unreadable as problem:
        report.reasons.append(f"The evaluation file: {problem}")
        return
    report.evaluation_dialect = table.dialect
    wanted = [feature.name for feature in schema.features] + [schema.target]
    absent = [name for name in wanted if name not in profiles]
    if absent:
        report.reasons.append(
            f"The evaluation file lacks {counted(len(absent), 'column')}: {', '.join(absent[:8])}."
        )
        return
    target = profiles[schema.target]
    report.evaluation_rows = target.present
    if target.present == 0:
        report.reasons.append("The evaluation file has no row with a value in the target column.")
    elif schema.task == "classification":
        _judge_labels(report, target, schema)
    elif target.numeric < target.present:
        report.reasons.append(
            f"The evaluation file's target has values that are no numbers, such as {target.odd!r}."
        )
    _judge_cells(report, profiles, schema)


def _judge_cells(report: Report, profiles: Mapping[str, ColumnProfile], schema: Schema) -> None:
    """Columns of numbers and dates hold them here too; rows with other texts can't be scored."""
    for feature in schema.features:
        column = profiles[feature.name]
        if feature.kind == "category":
            continue
        if feature.kind == "number" and column.present and not column.numeric:
            report.reasons.append(
                f"The evaluation file's column {feature.name!r} holds no numbers, as the first "
                f"file's does, but for example {column.odd!r}."
            )
            continue
        odd = _refused(feature, column)
        if odd:
            kind = {"number": "numbers", "date": "dates"}[feature.kind]
            report.notes.append(
                f"{feature.name} of the evaluation file has cells that are no {kind}, such as "
                f"{odd[0][:40]!r}, which the first file doesn't have: such rows are left out of the "
                "test, as they are refused when it is served."
            )


def _refused(feature: Feature, column: ColumnProfile) -> list[str]:
    """Some of the column's texts that are neither of the feature's kind nor missing."""
    if feature.kind == "date":
        texts = [cell for cell in column.values if day_number(cell, feature.form) is None]
    else:
        texts = [column.odd or ""] if column.odds is None else list(column.odds)
    return sorted(cell for cell in texts if not feature.takes(cell))


def _judge_labels(report: Report, target: ColumnProfile, schema: Schema) -> None:
    labels = Labels(schema.labels)
    unknown = {value: times for value, times in target.values.items() if labels.code(value) is None}
    respelt = sum(times for value, times in target.values.items() if labels.respelt(value))
    if sum(unknown.values()) == target.present:
        report.reasons.append(
            "None of the evaluation file's labels is known from the first file: "
            f"{', '.join(list(unknown)[:5])}."
        )
    elif unknown:
        report.notes.append(
            f"{counted(sum(unknown.values()), 'row')} of the evaluation file with a label that "
            "the first file doesn't have "
            f"({', '.join(list(unknown)[:5])}); each counts as an error of the model."
        )
    if respelt:
        report.notes.append(
            f"{counted(respelt, 'label')} of the evaluation file "
            f"{'differs' if respelt == 1 else 'differ'} by a trailing dot only; it is ignored."
        )
