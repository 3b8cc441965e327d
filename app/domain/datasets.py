"""Datasets: uploading a table, and what became of each upload.

An upload is kept when its event is: both are done in one transaction that ends
with the publishing, so that a refused upload leaves nothing behind, and a
handler that is quicker than our commit records the same version that we do.
"""

from __future__ import annotations

from pathlib import PurePath
from typing import BinaryIO, cast, get_args

from sqlmodel import Session

from app.clock import Clock, SystemClock
from app.domain.announcing import Announcer, announce_after
from app.domain.dataset_reading import DatasetReading
from app.domain.dataset_record import Judged, Uploaded, record_dataset
from app.domain.dataset_rules import DatasetRules, check_name
from app.domain.events import DatasetUploaded
from app.errors import Refused
from app.events.event import Event
from app.ml.report import Report
from app.ml.schema import Task
from app.sourcing.repository import Repository
from app.store.audit import Audit
from app.store.blobs import BlobStore
from app.store.columns import clean
from app.store.database import Database
from app.store.eventstore.store import EventStore
from app.streams.publisher import Publisher

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
        rules = DatasetRules(database, self._clock, audit, changes, self._aggregates)
        self.rules, self.set_rules = rules.current, rules.replace
        reading = DatasetReading(database, blobs)
        self.find, self.get = reading.find, reading.get
        self.validated_before, self.rejected_rows = reading.validated_before, reading.rejected_rows

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

    def _size(self, ref: str | None) -> int | None:
        return self._blobs.size(ref) if ref and self._blobs.exists(ref) else None


def _base_name(path: str) -> str:
    return clean(PurePath(path.replace("\\", "/")).name[:255])


def _check_upload(name: str, target: str, task: str | None) -> None:
    check_name(name)
    if not target.strip():
        raise Refused(
            "The target is missing: name the column to predict, or give its position from 0."
        )
    if task is not None and task not in get_args(Task):
        raise Refused(f"{task!r} is no task: use classification or regression, or leave it out.")
