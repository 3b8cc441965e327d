"""Datasets as they are read: lists, one with its uploads, and the rows that an upload left out."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from sqlmodel import col, select

from app.domain.rows import last_changed, place
from app.domain.tables import DatasetRow, DatasetVersionRow
from app.errors import Conflict, NotFound
from app.ml.dialect import Dialect
from app.ml.reading import Table
from app.ml.rejected import rejected_csv
from app.store.blobs import BlobStore
from app.store.columns import LARGEST, key
from app.store.database import Database
from app.store.moments import iso
from app.store.page import Page, paged

SHOWN_VERSIONS = 100


class DatasetReading:
    """What is known of datasets; nothing here writes."""

    def __init__(self, database: Database, blobs: BlobStore):
        self._database = database
        self._blobs = blobs

    def find(self, limit: int = 50, cursor: str | None = None) -> Page[dict[str, Any]]:
        """Datasets, the last changed first, each with its newest version only."""
        with self._database.read() as session:
            rows = last_changed(session, DatasetRow, limit, cursor)
            query = (
                select(DatasetVersionRow)
                .join(DatasetRow, col(DatasetRow.name) == col(DatasetVersionRow.dataset))
                .where(
                    col(DatasetRow.name).in_([row.name for row in rows]),
                    DatasetVersionRow.version == DatasetRow.versions,
                )
            )
            newest = {version.dataset: version for version in session.exec(query)}
        return paged(
            rows,
            limit,
            place,
            lambda row: _show(row, [newest[row.name]]),
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

    def rejected_rows(self, name: str, version: int) -> Iterator[str]:
        """The rows that a version's validation left out, as lines of CSV.

        Raises `NotFound`, and `Conflict` where the file couldn't be read as a table at all.
        """
        with self._database.read() as session:
            row = session.get(DatasetVersionRow, (name, version)) if version <= LARGEST else None
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
