"""Is this a table that a model can learn from? The judgement, in sentences.

Reads the file twice at most and holds no rows. A verdict is a value: what is
wrong with a table ends in the report's reasons, never in an exception.
"""

from __future__ import annotations

from collections import Counter
from typing import BinaryIO

from app.ml.errors import Unreadable
from app.ml.features import choose_features
from app.ml.labels import Labels
from app.ml.profile import DISTINCT_BUDGET, DISTINCT_LIMIT, ColumnProfile
from app.ml.reading import Table
from app.ml.report import Report
from app.ml.schema import NoSuchColumn, Schema, Task, find_column
from app.ml.target import judge_target

LEAST_ROWS = 10
MISSHAPEN_SHARE = 0.05


def validate(
    file: BinaryIO,
    target: str,
    *,
    task: Task | None = None,
    header: bool | None = None,
    evaluation: BinaryIO | None = None,
) -> Report:
    """Judge a table, and a second one with the same columns for evaluation where there is one."""
    report = Report()
    try:
        table = Table.open(file, header=header, target=target)
        report.dialect = table.dialect
        _judge_columns(report, table)
        if not report.accepted:
            return report
        position = find_column(table.columns, target)
        report.target = table.columns[position]
        profiles = profile(table)
    except (Unreadable, NoSuchColumn) as problem:
        report.reasons.append(str(problem))
        return report
    report.rows, report.misshapen = profiles[position].rows, table.misshapen
    _judge_shape(report, table)
    if report.accepted:
        _judge_schema(report, profiles, position, task)
    if evaluation is not None and report.accepted:
        _judge_evaluation(report, evaluation)
    return report


def profile(table: Table) -> list[ColumnProfile]:
    """One pass over the table."""
    limit = max(300, min(DISTINCT_LIMIT, DISTINCT_BUDGET // len(table.columns)))
    profiles = [ColumnProfile(name, table.dialect.decimal, limit) for name in table.columns]
    for chunk in table.chunks():
        for column, cells in zip(profiles, zip(*chunk, strict=True), strict=True):
            column.update(cells)
    return profiles


def _judge_columns(report: Report, table: Table) -> None:
    if len(table.columns) < 2:
        report.reasons.append(
            "The table has one column only. At least one is needed to learn from, beside the "
            "target. Or its cells are separated by something other than a comma, a semicolon, "
            "a tab or a bar."
        )
    twice = [name for name, times in Counter(table.columns).items() if times > 1]
    if twice:
        report.reasons.append(
            f"Two columns have the same name: {', '.join(twice[:5])}. Rename one of each pair."
        )


def _judge_shape(report: Report, table: Table) -> None:
    if report.rows < LEAST_ROWS:
        report.reasons.append(
            f"The table has {_count(report.rows, 'row')} of data. At least {LEAST_ROWS} are needed "
            "to learn from some and to test on others."
        )
    whole = report.rows + report.misshapen
    if report.misshapen > MISSHAPEN_SHARE * whole:
        report.reasons.append(
            f"{report.misshapen} of {whole} rows don't have "
            f"{_count(len(table.columns), 'cell')} as the first one does: "
            "this is no table, or another character separates its cells."
        )
    elif report.misshapen == 1 and table.last_line_cut:
        report.notes.append(
            "The last row is cut off and was left out; the upload or download may be incomplete."
        )
    elif report.misshapen:
        report.notes.append(
            f"{_count(report.misshapen, 'row')} with too many or too few cells left out."
        )


def _judge_schema(
    report: Report, profiles: list[ColumnProfile], position: int, task: Task | None
) -> None:
    target = judge_target(profiles[position], task)
    report.reasons += target.reasons
    report.notes += target.notes
    report.classes = target.classes
    chosen = choose_features([p for i, p in enumerate(profiles) if i != position])
    report.notes += chosen.notes
    report.profile = [*chosen.profile[:position], target.summary, *chosen.profile[position:]]
    if not chosen.features and report.accepted:
        report.reasons.append(
            "No column is left to learn from: all are empty, constant, or different in every row."
        )
    if report.reasons or target.task is None or report.dialect is None:
        return
    report.schema = Schema(
        tuple(chosen.features),
        profiles[position].name,
        target.task,
        target.labels,
        report.dialect.decimal,
    )


def _judge_evaluation(report: Report, file: BinaryIO) -> None:
    """The second file needs the target and every feature, and labels that the first one knows."""
    schema = report.schema
    assert schema is not None and report.dialect is not None
    try:
        table = Table.open(file, header=report.dialect.header, target=schema.target)
        profiles = {p.name: p for p in profile(table)}
    except Unreadable as problem:
        report.reasons.append(f"The evaluation file: {problem}")
        return
    report.evaluation_dialect = table.dialect
    wanted = [feature.name for feature in schema.features] + [schema.target]
    absent = [name for name in wanted if name not in profiles]
    if absent:
        report.reasons.append(
            f"The evaluation file lacks {_count(len(absent), 'column')}: {', '.join(absent[:8])}."
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
            f"{_count(sum(unknown.values()), 'row')} of the evaluation file with a label that "
            "the first file doesn't have "
            f"({', '.join(list(unknown)[:5])}); each counts as an error of the model."
        )
    if respelt:
        report.notes.append(
            f"{_count(respelt, 'label')} of the evaluation file differ by a trailing dot only; "
            "it is ignored."
        )


def _count(n: int, noun: str) -> str:
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"
