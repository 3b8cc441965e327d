"""Models as they are read: lists, versions, promotions, and what an evaluation drew."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from sqlmodel import Session, col, select

from app.domain.rows import last_changed, place
from app.domain.serving import Serving
from app.domain.tables import ModelRow, ModelVersionRow, PromotionRow
from app.errors import NotFound
from app.store.blobs import BlobStore
from app.store.columns import LARGEST
from app.store.database import Database
from app.store.moments import iso
from app.store.page import Page, paged

SHOWN_VERSIONS = 200


class ModelReading:
    """What is known of models; nothing here writes."""

    def __init__(self, database: Database, blobs: BlobStore, serving: Serving):
        self._database = database
        self._blobs = blobs
        self._serving = serving

    def find(self, limit: int = 50, cursor: str | None = None) -> Page[dict[str, Any]]:
        """Models, the last changed first, each with its newest version and its champion only."""
        with self._database.read() as session:
            rows = last_changed(session, ModelRow, limit, cursor)
            versions = _newest_and_champions(session, [row.name for row in rows])
        return paged(
            rows,
            limit,
            place,
            lambda row: _show(row, versions[row.name]),
        )

    def get(self, name: str) -> dict[str, Any]:
        """A model with its versions, newest first, and its promotions. Raises `NotFound`."""
        query = (
            select(ModelVersionRow)
            .where(col(ModelVersionRow.model) == name)
            .order_by(col(ModelVersionRow.version).desc())
            .limit(SHOWN_VERSIONS)
        )
        with self._database.read() as session:
            row = session.get(ModelRow, name)
            if row is None:
                raise self._serving.absent(name)
            promotions = session.exec(promotions_of(name).limit(SHOWN_VERSIONS)).all()
            shown = _show(row, session.exec(query).all())
        return {**shown, "promotions": [_show_promotion(one) for one in promotions]}

    def version(self, name: str, version: int) -> dict[str, Any]:
        """One version with its lineage. Raises `NotFound`."""
        return _show_version(self.row(name, version))

    def evaluation(self, name: str, version: int) -> dict[str, Any]:
        """What is drawn beside a version's metrics; empty where older code evaluated it."""
        row = self.row(name, version)
        found: dict[str, Any] = json.loads(self._blobs.read(row.details)) if row.details else {}
        return found

    def row(self, name: str, version: int) -> ModelVersionRow:
        with self._database.read() as session:
            row = session.get(ModelVersionRow, (name, version)) if version <= LARGEST else None
        if row is None:
            raise NotFound(
                f"There is no version {version} of a model {name!r}; `python -m app models "
                "list` shows those there are."
            )
        return row

    def before(self, name: str, version: int) -> int | None:
        """Whom the version took over from when it was last promoted, not counting ways back."""
        query = promotions_of(name).where(
            col(PromotionRow.version) == version, col(PromotionRow.back).is_(False)
        )
        with self._database.read() as session:
            promoted = session.exec(query.limit(1)).first()
        return promoted.previous if promoted else None


def _newest_and_champions(
    session: Session, names: Sequence[str]
) -> dict[str, list[ModelVersionRow]]:
    """Of each of these models, the newest first."""
    version = col(ModelVersionRow.version)
    query = (
        select(ModelVersionRow)
        .join(ModelRow, col(ModelRow.name) == col(ModelVersionRow.model))
        .where(
            col(ModelRow.name).in_(names),
            (version == ModelRow.versions) | (version == ModelRow.champion),
        )
        .order_by(version.desc())
    )
    found: dict[str, list[ModelVersionRow]] = {name: [] for name in names}
    for row in session.exec(query):
        found[row.model].append(row)
    return found


def promotions_of(name: str) -> Any:
    return (
        select(PromotionRow)
        .where(col(PromotionRow.model) == name)
        .order_by(col(PromotionRow.id).desc())
    )


def _show(row: ModelRow, versions: Sequence[ModelVersionRow]) -> dict[str, Any]:
    return {
        "name": row.name,
        "task": row.task,
        "champion": row.champion,
        "created": iso(row.created),
        "updated": iso(row.updated),
        "versions": [_show_version(version) for version in versions],
    }


def _show_version(version: ModelVersionRow) -> dict[str, Any]:
    shown = version.model_dump(exclude={"model", "version", "state", "registered"})
    return {
        "version": version.version,
        "state": version.state,
        "registered": iso(version.registered),
        **shown,
    }


def _show_promotion(row: PromotionRow) -> dict[str, Any]:
    return {**row.model_dump(exclude={"id", "model", "at"}), "at": iso(row.at)}
