"""Is this a table that a model can learn from? The judgement, in sentences.

Reads the file twice at most and holds no rows. A verdict is a value: what is
wrong with a table ends in the report's reasons, never in an exception.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

from app.ml import drift, leakage
from app.ml.duplicates import Duplicates
from app.ml.errors import Unreadable
from app.ml.features import choose_features
from app.ml.looking import look
from app.ml.matrix import kept_share
from app.ml.profile import ColumnProfile
from app.ml.reading import Table
from app.ml.report import Report, counted
from app.ml.sampling import RowSample
from app.ml.schema import NoSuchColumn, Schema, Task, find_column
from app.ml.second_file import judge_evaluation
from app.ml.target import judge_target
from app.ml.watching import Watch, nobody

LEAST_ROWS = 10
MISSHAPEN_SHARE = 0.05
MANY_DUPLICATES = 0.05


@dataclass(frozen=True)
class Before:
    """An upload of the same dataset to compare with: its version and `Report.reference`."""

    version: int
    reference: Mapping[str, Any]


def validate(
    file: BinaryIO,
    target: str,
    *,
    task: Task | None = None,
    header: bool | None = None,
    evaluation: BinaryIO | None = None,
    before: Before | None = None,
    rules: Sequence[str] = (),
    watch: Watch = nobody,
) -> Report:
    """Judge a table, and a second one with the same columns for evaluation where there is one.

    `before` is the upload to compare with. Rows that break one of the `rules` are left out.
    `watch` hears how far the reading of a large file is.
    """
    report = Report()
    try:
        table = Table.open(file, header=header, target=target, rules=rules)
        report.dialect = table.dialect
        _judge_columns(report, table)
        if not report.accepted:
            return report
        position = find_column(table.columns, target)
        report.target = table.columns[position]
        seen = look(table, watch)
    except (Unreadable, NoSuchColumn) as problem:
        report.reasons.append(str(problem))
        return report
    profiles = seen.columns
    report.rows, report.misshapen = profiles[position].rows, table.misshapen
    report.breaking = table.breaking
    if report.breaking:
        report.warnings.append(f"{counted(report.breaking, 'row')} left out for breaking a rule.")
    report.without_target = profiles[position].missing
    _judge_shape(report, table)
    if report.accepted:
        _judge_schema(report, profiles, position, task)
        _note_padding(report, table)
        _count_duplicates(report, seen.duplicates)
        _note_thinning(report)
        _compare(report, profiles, before)
    if report.schema:
        _look_for_leaks(report, seen.sample, position)
    if evaluation is not None and report.accepted:
        judge_evaluation(report, evaluation, watch)
    return report


def _note_padding(report: Report, table: Table) -> None:
    if table.padded:
        report.notes.append(
            f"{counted(table.padded, 'row')} with spaces around cells; they are ignored."
        )


def _count_duplicates(report: Report, duplicates: Duplicates) -> None:
    report.duplicates, report.duplicates_estimated = duplicates.count, duplicates.estimated
    if not report.duplicates:
        return
    about = "About " if duplicates.estimated else ""
    text = f"{about}{counted(report.duplicates, 'row')} repeat one before, cell by cell."
    if report.duplicates > MANY_DUPLICATES * report.rows:
        report.warnings.append(f"{text} Equal rows are never on both sides of the test.")
    else:
        report.notes.append(text)


def _note_thinning(report: Report) -> None:
    if report.schema is None:
        return
    share = kept_share(report.rows, len(report.schema.features))
    if share < 1:
        report.notes.append(
            f"The table is larger than what a model is trained on at once: about "
            f"{share * report.rows:,.0f} of its {report.rows:,} rows are taken, chosen by a hash "
            "of each row, the same every time."
        )


def _compare(report: Report, profiles: list[ColumnProfile], before: Before | None) -> None:
    kept = profiles[: drift.COLUMNS]
    report.reference = {column.name: drift.reference(column) for column in kept}
    if before is not None:
        report.compared_with = before.version
        whole = len(profiles) <= drift.COLUMNS
        report.changes = drift.compare(before.reference, profiles, whole=whole)


def _look_for_leaks(report: Report, sample: RowSample, position: int) -> None:
    schema = report.schema
    assert schema is not None and report.dialect is not None
    columns = list(zip(*sample.rows, strict=True))
    wanted = {feature.name for feature in schema.features}
    for summary, cells in zip(report.profile, columns, strict=True):
        if summary["name"] not in wanted:
            continue
        known = leakage.knowledge(cells, columns[position], schema.task, schema.decimal)
        if known is None:
            continue
        summary["predicts"] = round(max(0.0, known), 3)
        if known >= leakage.SUSPICIOUS:
            report.warnings.append(
                f"{summary['name']} alone predicts {schema.target} almost wholly ({known:.0%}). "
                "If it is known only after the target is, leave it out of the file."
            )


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
            f"The table has {counted(report.rows, 'row')} of data. At least {LEAST_ROWS} are needed "
            "to learn from some and to test on others: upload more."
        )
    whole = report.rows + report.misshapen
    if report.misshapen > MISSHAPEN_SHARE * whole:
        report.reasons.append(
            f"{report.misshapen} of {whole} rows don't have "
            f"{counted(len(table.columns), 'cell')} as the first one does: "
            "this is no table, or another character separates its cells. Save it as CSV with "
            "commas, and with quotes around cells that hold commas."
        )
    elif report.misshapen == 1 and table.last_line_cut:
        report.notes.append(
            "The last row is cut off and was left out; the upload or download may be incomplete."
        )
    elif report.misshapen:
        report.notes.append(
            f"{counted(report.misshapen, 'row')} with too many or too few cells left out."
        )


def _judge_schema(
    report: Report, profiles: list[ColumnProfile], position: int, task: Task | None
) -> None:
    target = judge_target(profiles[position], task)
    report.reasons += target.reasons
    report.notes += target.notes
    report.warnings += target.warnings
    report.classes = target.classes
    chosen = choose_features([p for i, p in enumerate(profiles) if i != position])
    report.notes += chosen.notes
    report.profile = [*chosen.profile[:position], target.summary, *chosen.profile[position:]]
    if not chosen.features and report.accepted:
        report.reasons.append(
            "No column is left to learn from: all are empty, constant, or different in every row. "
            "Upload the table with columns that say something about the target."
        )
    if report.reasons or target.task is None or report.dialect is None:
        return
    report.schema = Schema(
        tuple(chosen.features),
        profiles[position].name,
        target.task,
        target.labels,
        report.dialect.decimal,
        len(profiles),
    )
