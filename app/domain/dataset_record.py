"""The one place that writes datasets: `record_dataset(session, change)`.

A change says what happened to one upload, and is applied once however often it
is recorded. Numbers are given out in the transaction, behind a lock on the
dataset's row.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sqlmodel import Session, col, select

from app.domain.aggregates import PIPELINE, Dataset
from app.domain.rows import locked
from app.domain.tables import DatasetRow, DatasetVersionRow
from app.sourcing.repository import Repository
from app.store.columns import clean, key, key_or_none


@dataclass(frozen=True)
class Uploaded:
    """A file arrived with its event."""

    dataset: str
    event: str
    correlationid: str
    target: str
    at: float
    file: str | None
    filename: str = ""
    size: int | None = None
    evaluation: str | None = None
    evaluation_filename: str = ""
    task: str | None = None
    by: str | None = None


@dataclass(frozen=True)
class Judged:
    """An upload was validated or rejected; `report` is the whole report's reference."""

    dataset: str
    event: str
    state: str
    summary: dict[str, Any]
    at: float
    report: str | None = None
    reasons: list[str] = field(default_factory=list)


def record_dataset(session: Session, change: Uploaded | Judged, aggregates: Repository) -> int:
    """Apply a change, and record it in the dataset's history; the version's number.

    A judgement needs its upload recorded first.
    """
    if isinstance(change, Uploaded):
        return _upload(session, change, aggregates)
    return _judge(session, change, aggregates)


def _upload(session: Session, change: Uploaded, aggregates: Repository) -> int:
    row = DatasetRow(
        name=change.dataset, target=clean(change.target), created=change.at, updated=change.at
    )
    dataset = locked(session, DatasetRow, change.dataset, row)
    if known := _find(session, change.dataset, change.event):
        return known.version
    dataset.versions += 1
    dataset.updated = change.at
    dataset.target = clean(change.target)
    session.add(
        DatasetVersionRow(
            dataset=change.dataset,
            version=dataset.versions,
            event=key(change.event),
            correlationid=key(change.correlationid),
            state="uploaded",
            file=change.file,
            filename=clean(change.filename),
            size=change.size,
            evaluation=change.evaluation,
            evaluation_filename=clean(change.evaluation_filename),
            target=clean(change.target),
            task=change.task,
            reasons=[],
            uploaded=change.at,
            by=key_or_none(change.by),
        )
    )
    session.flush()
    by = change.by or PIPELINE
    with aggregates.edit(Dataset, change.dataset, actor=by, session=session) as history:
        history.upload(
            dataset.versions,
            change.correlationid,
            target=clean(change.target),
            file=change.file,
            filename=clean(change.filename),
        )
    return dataset.versions


def _judge(session: Session, change: Judged, aggregates: Repository) -> int:
    version = _find(session, change.dataset, change.event)
    if version is None:
        raise LookupError(f"the upload {change.event} of {change.dataset} is not recorded")
    repeated = (version.state, version.reasons) == (change.state, change.reasons)
    version.state = change.state
    version.summary = change.summary
    version.rows = change.summary.get("rows")
    version.task = change.summary.get("task") or version.task
    version.report = change.report
    version.reasons = change.reasons
    dataset = session.get_one(
        DatasetRow, change.dataset, with_for_update=True, populate_existing=True
    )
    dataset.updated = max(dataset.updated, change.at)
    session.flush()
    if not repeated:
        with aggregates.edit(Dataset, change.dataset, actor=PIPELINE, session=session) as history:
            history.judge(version.version, change.state, version.rows, list(change.reasons))
    return version.version


def _find(session: Session, dataset: str, event: str) -> DatasetVersionRow | None:
    query = select(DatasetVersionRow).where(
        col(DatasetVersionRow.dataset) == dataset, col(DatasetVersionRow.event) == key(event)
    )
    return session.exec(query).first()
