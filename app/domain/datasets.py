"""Datasets: uploading a table, and what became of each upload.

An upload is kept when its event is: both are done in one transaction that ends
with the publishing, so that a refused upload leaves nothing behind, and a
handler that is quicker than our commit records the same version that we do.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import PurePath
from typing import Any, BinaryIO, cast, get_args

from sqlmodel import Session, col, select

from app.clock import Clock, SystemClock
from app.domain.aggregates import Dataset
from app.domain.announcing import Announcer, announce_after
from app.domain.dataset_record import Judged, Uploaded, record_dataset
from app.domain.events import NAME_PATTERN, DatasetUploaded
from app.domain.rows import last_changed, place
from app.domain.tables import DatasetRow, DatasetRulesRow, DatasetVersionRow
from app.errors import Conflict, NotFound, Refused
from app.events.event import Event
from app.ml.dialect import Dialect
from app.ml.reading import Table
from app.ml.rejected import rejected_csv
from app.ml.report import Report
from app.ml.rules import MOST_RULES, BadRule, parse
from app.ml.schema import Task
from app.sourcing.repository import Repository
from app.store.audit import Audit
from app.store.blobs import BlobStore
from app.store.columns import clean, key
from app.store.database import Database
from app.store.eventstore.store import EventStore
from app.store.moments import iso
from app.store.page import Page, paged
from app.streams.publisher import Publisher

SHOWN_VERSIONS = 100
LARGEST_UPLOAD = 2 * 1024**3
"""Bytes of a file that the console and the API take; it is on disk only, never in memory."""


class Datasets:
    """`changes` hears of what changed, for those who show it."""

    def __init__(
        self,
        database: Database,
        blobs: BlobStore,
        publisher: Publisher,
        clock: Clock | None = None,
        audit: Audit | None = None,
        changes: Announcer | None = None,
    ):
        self._database = database
        self._blobs = blobs
        self._publisher = publisher
        self._clock = clock or SystemClock()
        self._audit = audit
        self._changes = changes
        self._aggregates = Repository(EventStore(database, self._clock), database, self._clock)

    def upload(
        self,
        file: bytes | BinaryIO,
        name: str,
        target: str | int,
        *,
        filename: str = "",
        evaluation: bytes | BinaryIO | None = None,
        evaluation_filename: str = "",
        task: str | None = None,
        header: bool | None = None,
        actor: str,
    ) -> dict[str, str]:
        """Keep a table and publish `dataset.uploaded`; `{"dataset", "correlationid"}`.

        Raises `Refused` where a parameter is wrong. What is wrong with the file
        shows at its validation, which happens in a worker.
        """
        _check_upload(name, str(target), task)
        uploaded = DatasetUploaded(
            dataset=name,
            file=self._blobs.put(file),
            target=clean(str(target)),
            filename=_base_name(filename),
            evaluation=None if evaluation is None else self._blobs.put(evaluation),
            evaluation_filename=_base_name(evaluation_filename),
            task=cast("Task | None", task),
            header=header,
            by=clean(actor),
        )
        event = Event(type="dataset.uploaded", data=uploaded, partitionkey=name, subject=name)
        with self._database.session() as session:
            version = self.record_upload(session, event)
            if self._audit:
                after = {"version": version, "file": uploaded.file, "filename": uploaded.filename}
                self._audit.record(actor, "dataset.uploaded", name, after=after, session=session)
            self._publisher.publish([event])
        return {"dataset": name, "correlationid": event.id}

    def record_upload(self, session: Session, event: Event) -> int:
        """The version of this upload, recorded where it isn't yet."""
        data: DatasetUploaded = event.data
        announce_after(session, self._changes, "datasets")
        return record_dataset(
            session,
            Uploaded(
                dataset=data.dataset,
                event=event.id,
                correlationid=event.correlationid or event.id,
                target=str(data.target),
                at=event.time.timestamp(),
                file=data.file,
                filename=data.filename,
                size=self._size(data.file),
                evaluation=data.evaluation,
                evaluation_filename=data.evaluation_filename,
                task=data.task,
                by=data.by,
            ),
            self._aggregates,
        )

    def record_judgement(
        self, session: Session, event: Event, report: Report, ref: str | None
    ) -> int:
        """The verdict on the upload that `event` announced; its version."""
        self.record_upload(session, event)
        state = "validated" if report.accepted else "rejected"
        return record_dataset(
            session,
            Judged(
                event.data.dataset,
                event.id,
                state,
                report.summary(),
                self._clock.now(),
                ref,
                report.reasons,
            ),
            self._aggregates,
        )

    def validated_before(self, name: str, event: str) -> tuple[int, str] | None:
        """The newest validated upload but this event's own: its version and its report."""
        query = (
            select(DatasetVersionRow.version, DatasetVersionRow.report)
            .where(
                col(DatasetVersionRow.dataset) == name,
                col(DatasetVersionRow.state) == "validated",
                col(DatasetVersionRow.event) != key(event),
            )
            .order_by(col(DatasetVersionRow.version).desc())
            .limit(1)
        )
        with self._database.read() as session:
            found = session.exec(query).first()
        return (found[0], found[1]) if found and found[1] else None

    def rules(self, name: str) -> dict[str, Any]:
        """`{"version", "rules", "by", "at"}`: what holds for the next upload; version 0: none."""
        with self._database.read() as session:
            row = _newest_rules(session, name)
            if row is None:
                return {"version": 0, "rules": [], "by": None, "at": None}
            return {"version": row.version, "rules": row.rules, "by": row.by, "at": iso(row.at)}

    def set_rules(self, name: str, rules: Sequence[str], actor: str) -> dict[str, Any]:
        """Rules for the rows of the next uploads, in place of those before.

        Raises `Refused` for one that can't be understood.
        """
        _check_upload(name, "0", None)
        wanted = [rule for rule in (" ".join(clean(text).split()) for text in rules) if rule]
        if len(wanted) > MOST_RULES:
            raise Refused(f"{len(wanted)} rules are too many: {MOST_RULES} at most.")
        for rule in wanted:
            try:
                parse(rule)
            except BadRule as error:
                raise Refused(str(error)) from error
        with self._database.session() as session:
            before = _newest_rules(session, name)
            version = before.version + 1 if before else 1
            session.add(
                DatasetRulesRow(
                    dataset=name, version=version, rules=wanted, by=key(actor),
                    at=self._clock.now(),
                )
            )  # fmt: skip
            with self._aggregates.edit(Dataset, name, actor=key(actor), session=session) as history:
                history.rule(wanted)
            if self._audit:
                old = before.rules if before else []
                self._audit.record(actor, "dataset.rules", name, old, wanted, session=session)
            announce_after(session, self._changes, "datasets")
        return self.rules(name)

    def rejected_rows(self, name: str, version: int) -> Iterator[str]:
        """The rows that a version's validation left out, as lines of CSV.

        Raises `NotFound`, and `Conflict` where the file couldn't be read as a table at all.
        """
        with self._database.read() as session:
            row = session.get(DatasetVersionRow, (name, version))
        if row is None or row.file is None:
            raise NotFound(f"There is no version {version} of a dataset {name!r} with a file.")
        report = json.loads(self._blobs.read(row.report)) if row.report else {}
        if not report.get("dialect") or not report.get("target"):
            raise Conflict(f"Version {version} of {name} has no rows: {' '.join(row.reasons)}")
        dialect = Dialect.from_dict(report["dialect"])
        return self._rejected(row.file, dialect, dialect.columns.index(report["target"]))

    def _rejected(self, file: str, dialect: Dialect, target: int) -> Iterator[str]:
        with self._blobs.open(file) as stream:
            yield from rejected_csv(Table(stream, dialect), target)

    def find(self, limit: int = 50, cursor: str | None = None) -> Page[dict[str, Any]]:
        """Datasets, the last changed first, each with its newest version only."""
        with self._database.read() as session:
            rows = last_changed(session, DatasetRow, limit, cursor)
            newest = {
                row.name: [session.get_one(DatasetVersionRow, (row.name, row.versions))]
                for row in rows
            }
        return paged(
            rows,
            limit,
            place,
            lambda row: _show(row, newest[row.name]),
        )

    def get(self, name: str) -> dict[str, Any]:
        """A dataset with its versions, newest first. Raises `NotFound`."""
        query = (
            select(DatasetVersionRow)
            .where(col(DatasetVersionRow.dataset) == name)
            .order_by(col(DatasetVersionRow.version).desc())
            .limit(SHOWN_VERSIONS)
        )
        with self._database.read() as session:
            row = session.get(DatasetRow, name)
            if row is None:
                raise NotFound(
                    f"There is no dataset {name!r}; `python -m app datasets list` shows those "
                    "there are."
                )
            return _show(row, session.exec(query).all())

    def _size(self, ref: str | None) -> int | None:
        return self._blobs.size(ref) if ref and self._blobs.exists(ref) else None


def _newest_rules(session: Session, name: str) -> DatasetRulesRow | None:
    query = select(DatasetRulesRow).where(col(DatasetRulesRow.dataset) == name)
    return session.exec(query.order_by(col(DatasetRulesRow.version).desc()).limit(1)).first()


def _base_name(path: str) -> str:
    return clean(PurePath(path.replace("\\", "/")).name[:255])


def _check_upload(name: str, target: str, task: str | None) -> None:
    if not re.fullmatch(NAME_PATTERN, name):
        raise Refused(
            f"{name!r} can't be a dataset's name: use up to 64 letters, digits, dots, dashes "
            "and underscores, "
            "beginning with a letter or a digit."
        )
    if not target.strip():
        raise Refused(
            "The target is missing: name the column to predict, or give its position from 0."
        )
    if task is not None and task not in get_args(Task):
        raise Refused(f"{task!r} is no task: use classification or regression, or leave it out.")


def _show(row: DatasetRow, versions: Sequence[DatasetVersionRow]) -> dict[str, Any]:
    return {
        "name": row.name,
        "target": row.target,
        "state": versions[0].state if versions else None,
        "created": iso(row.created),
        "updated": iso(row.updated),
        "versions": [_show_version(version) for version in versions],
    }


def _show_version(version: DatasetVersionRow) -> dict[str, Any]:
    shown = version.model_dump(
        exclude={"dataset", "version", "state", "event", "summary", "report", "uploaded"}
    )
    return {
        "version": version.version,
        "state": version.state,
        **shown,
        "sha256": (version.file or "").removeprefix("sha256:"),
        "uploaded": iso(version.uploaded),
        "report": version.summary,
        "report_file": version.report,
    }
