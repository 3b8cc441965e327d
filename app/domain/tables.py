"""The tables of datasets and models.

Written only by `record_dataset` and `record_model`: whatever else changes a
row here breaks the audit, and the day when these become aggregates.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import UniqueConstraint
from sqlmodel import Field, SQLModel

from app.store.columns import JsonText, Key, LongText, Moment, Serial


class DatasetRow(SQLModel, table=True):
    """A named series of uploads. `versions` is the newest version's number."""

    __tablename__ = "datasets"

    name: str = Field(primary_key=True, sa_type=Key)
    target: str = Field(sa_type=LongText)
    versions: int = 0
    created: float = Field(sa_type=Moment)
    updated: float = Field(sa_type=Moment, index=True)


class DatasetVersionRow(SQLModel, table=True):
    """One upload. `event` is the id of its dataset.uploaded: the same upload is recorded once."""

    __tablename__ = "dataset_versions"
    __table_args__ = (UniqueConstraint("dataset", "event"),)

    dataset: str = Field(primary_key=True, foreign_key="datasets.name", sa_type=Key)
    version: int = Field(primary_key=True)
    event: str = Field(sa_type=Key)
    correlationid: str = Field(sa_type=Key)
    state: str = Field(sa_type=Key)
    file: str | None = Field(default=None, nullable=True, sa_type=Key)
    filename: str = Field(sa_type=LongText)
    size: int | None = Field(default=None, nullable=True, sa_type=Serial)
    evaluation: str | None = Field(default=None, nullable=True, sa_type=Key)
    evaluation_filename: str = Field(sa_type=LongText)
    target: str = Field(sa_type=LongText)
    task: str | None = Field(default=None, nullable=True, sa_type=Key)
    rows: int | None = Field(default=None, nullable=True, sa_type=Serial)
    summary: Any = Field(default=None, nullable=True, sa_type=JsonText)
    report: str | None = Field(default=None, nullable=True, sa_type=Key)
    reasons: Any = Field(sa_type=JsonText)
    uploaded: float = Field(sa_type=Moment)
    by: str | None = Field(default=None, nullable=True, sa_type=Key)


class DatasetRulesRow(SQLModel, table=True):
    """An operator's rules for a dataset's rows; the newest version holds for the next upload."""

    __tablename__ = "dataset_rules"

    dataset: str = Field(primary_key=True, sa_type=Key)
    version: int = Field(primary_key=True)
    rules: Any = Field(sa_type=JsonText)
    by: str | None = Field(default=None, nullable=True, sa_type=Key)
    at: float = Field(sa_type=Moment)


class ModelRow(SQLModel, table=True):
    """A model by its dataset's name. `champion` is the version that answers predictions."""

    __tablename__ = "models"

    name: str = Field(primary_key=True, sa_type=Key)
    task: str = Field(sa_type=Key)
    champion: int | None = Field(default=None, nullable=True)
    versions: int = 0
    created: float = Field(sa_type=Moment)
    updated: float = Field(sa_type=Moment, index=True)


class ModelVersionRow(SQLModel, table=True):
    """One trained model. A run registers an artefact once, however often it is tried."""

    __tablename__ = "model_versions"
    __table_args__ = (UniqueConstraint("model", "correlationid", "artefact"),)

    model: str = Field(primary_key=True, foreign_key="models.name", sa_type=Key)
    version: int = Field(primary_key=True)
    correlationid: str = Field(sa_type=Key)
    artefact: str = Field(sa_type=Key)
    sample: str = Field(sa_type=Key)
    state: str = Field(sa_type=Key)
    task: str = Field(sa_type=Key)
    classes: Any = Field(sa_type=JsonText)
    metric: str = Field(sa_type=Key)
    metrics: Any = Field(sa_type=JsonText)
    baseline: Any = Field(sa_type=JsonText)
    champion: Any = Field(default=None, nullable=True, sa_type=JsonText)
    lineage: Any = Field(sa_type=JsonText)
    reason: str = Field(sa_type=LongText)
    registered: float = Field(sa_type=Moment)
    intervals: Any = Field(default=None, nullable=True, sa_type=JsonText)
    gain: Any = Field(default=None, nullable=True, sa_type=JsonText)
    details: str | None = Field(default=None, nullable=True, sa_type=Key)


class PromotionRow(SQLModel, table=True):
    """The champion changed. `back` is set where it went back to an earlier one."""

    __tablename__ = "promotions"

    id: int | None = Field(default=None, primary_key=True, sa_type=Serial)
    model: str = Field(foreign_key="models.name", index=True, sa_type=Key)
    version: int
    previous: int | None = Field(default=None, nullable=True)
    back: bool = False
    by: str | None = Field(default=None, nullable=True, sa_type=Key)
    reason: str = Field(sa_type=LongText)
    at: float = Field(sa_type=Moment)
