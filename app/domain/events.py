"""The event types of the MLOps pipeline, from an upload to predictions.

Whatever is large (files, reports, artefacts) travels by its reference in the
blob store. `lineage` grows along the chain, so that the last event of a run
still says which rows, which code and which person it comes from.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from app.events.schema import event_type
from app.ml.schema import Task

NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"

Name = Annotated[str, Field(pattern=NAME_PATTERN)]
"""A dataset's name, and its model's."""
BlobRef = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
Metrics = dict[str, float]


class Lineage(BaseModel):
    """Where a model comes from. `rows` of the file, of which `trained_on` and `held_out`; those are
    a sample where the table is too large to learn from all of it (`sampled_of`)."""

    dataset: str
    dataset_version: int
    sha256: str
    rows: int
    by: str | None = None
    correlationid: str | None = None
    parameters: dict[str, Any] = {}
    candidates: list[dict[str, Any]] = []
    trained_on: int | None = None
    held_out: int | None = None
    sampled_of: int | None = None
    tested_on: int | None = None
    test_source: str | None = None
    code: str | None = None
    libraries: dict[str, str] = {}
    seconds: float | None = None


@event_type("dataset.uploaded", version=1)
class DatasetUploaded(BaseModel):
    """A table was uploaded, to learn its `target`: a column's name, or else position from 0."""

    dataset: Name
    file: BlobRef | None = None
    target: str | int
    filename: str = ""
    evaluation: BlobRef | None = None
    evaluation_filename: str = ""
    task: Task | None = None
    header: bool | None = None
    by: str | None = None


@event_type("dataset.progressed", version=1, tracking="packed")
class DatasetProgressed(BaseModel):
    """So much of a large upload is read; `share` of its bytes, `seconds` since it began."""

    dataset: Name
    step: str
    share: float
    seconds: float


@event_type("dataset.validated", version=1)
class DatasetValidated(BaseModel):
    """The table can be learned from. `summary` is what people look at first of `report`."""

    dataset: Name
    version: int
    file: BlobRef
    evaluation: BlobRef | None = None
    report: BlobRef
    target: str
    task: Task
    summary: dict[str, Any]
    by: str | None = None


@event_type("dataset.rejected", version=1)
class DatasetRejected(BaseModel):
    """The table can't be learned from; each reason is a sentence."""

    dataset: Name
    version: int
    reason: str
    reasons: list[str]
    report: BlobRef | None = None


@event_type("training.started", version=1)
class TrainingStarted(BaseModel):
    """A training was ordered, with these parameters for each candidate."""

    model: Name
    file: BlobRef
    evaluation: BlobRef | None = None
    report: BlobRef
    task: Task
    parameters: dict[str, dict[str, Any]]
    lineage: Lineage


@event_type("training.progressed", version=1, tracking="packed")
class TrainingProgressed(BaseModel):
    """A step of a training began; `share` of them are done."""

    model: Name
    step: str
    share: float
    seconds: float


@event_type("training.cancelled", version=1)
class TrainingCancelled(BaseModel):
    """A person cancelled the run before its model was trained and tested."""

    model: Name
    by: str
    reason: str


@event_type("training.finished", version=1)
class TrainingFinished(BaseModel):
    """The best candidate was trained on all training rows; `artefact` is the model."""

    model: Name
    artefact: BlobRef
    algorithm: str
    file: BlobRef
    evaluation: BlobRef | None = None
    report: BlobRef
    task: Task
    lineage: Lineage


Verdict = Literal["approved", "rejected", "waiting"]


class Compared(BaseModel):
    """The champion that a model was held against; no metrics where it couldn't read the rows."""

    version: int
    metrics: Metrics | None = None


@event_type("model.evaluated", version=1)
class ModelEvaluated(BaseModel):
    """A run's selected model was tested, beside the baseline and the champion on the same rows.

    `intervals` are of 95 %, and so is `gain`, its lead over the champion in the deciding metric.
    """

    model: Name
    task: Task
    classes: list[str] = []
    metric: str
    metrics: Metrics
    baseline: Metrics
    champion: Compared | None = None
    better: bool
    reasons: list[str]
    artefact: BlobRef
    sample: BlobRef
    lineage: Lineage
    verdict: Verdict | None = None
    intervals: dict[str, list[float]] = {}
    gain: list[float] | None = None
    details: BlobRef | None = None


@event_type("model.registered", version=1)
class ModelRegistered(BaseModel):
    """The model has a version in the registry. `verdict` None means what `better` says."""

    model: Name
    version: int
    artefact: BlobRef
    sample: BlobRef
    metric: str
    metrics: Metrics
    baseline: Metrics
    champion: Compared | None = None
    better: bool
    reasons: list[str]
    verdict: Verdict | None = None


@event_type("model.approved", version=1)
class ModelApproved(BaseModel):
    """The version is to take over from `champion` (None: from nobody)."""

    model: Name
    version: int
    champion: int | None = None
    reasons: list[str]
    by: str | None = None


@event_type("model.rejected", version=1)
class ModelRejected(BaseModel):
    """The version is not to take over; the champion stays."""

    model: Name
    version: int
    champion: int | None = None
    reasons: list[str]
    by: str | None = None


@event_type("deployment.started", version=1)
class DeploymentStarted(BaseModel):
    """The version is being checked, to take over from `champion`. `by`: who approved it."""

    model: Name
    version: int
    champion: int | None = None
    by: str | None = None
    reason: str = ""


@event_type("deployment.finished", version=1)
class DeploymentFinished(BaseModel):
    """The version is the champion now, and answers predictions."""

    model: Name
    version: int
    previous: int | None = None
    checked_rows: int = 0
    by: str | None = None
    reason: str = ""


@event_type("deployment.rolledback", version=1)
class DeploymentRolledBack(BaseModel):
    """The version is not, or no longer, the champion: `champion` is."""

    model: Name
    version: int
    champion: int | None = None
    reason: str
    by: str | None = None


@event_type("inference.requested", version=1, tracking="packed")
class InferenceRequested(BaseModel):
    """Rows to be scored by a model's champion."""

    model: Name
    rows: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=10_000)]
    id: str | None = None


@event_type("inference.completed", version=1, tracking="packed")
class InferenceCompleted(BaseModel):
    """A prediction for each row, in order."""

    model: Name
    version: int
    predictions: list[dict[str, Any]]
    id: str | None = None


@event_type("inference.failed", version=1, tracking="packed")
class InferenceFailed(BaseModel):
    """Nothing was predicted. `problems` names the bad rows, counted from 0."""

    model: Name
    reason: str
    problems: list[dict[str, Any]] = []
    version: int | None = None
    id: str | None = None


@event_type("batch.requested", version=1)
class BatchRequested(BaseModel):
    """A whole file is to be scored by a model's champion."""

    model: Name
    file: BlobRef
    filename: str = ""
    header: bool | None = None
    by: str | None = None


@event_type("batch.progressed", version=1, tracking="packed")
class BatchProgressed(BaseModel):
    """So much of a file is scored; `share` where its length is known from its beginning."""

    model: Name
    step: str
    share: float
    seconds: float


@event_type("batch.completed", version=1)
class BatchCompleted(BaseModel):
    """`result` is the file with predictions beside its columns; `failed` rows have a problem.

    `notes` say how the file was read, where that isn't plain.
    """

    model: Name
    version: int
    rows: int
    failed: int
    file: BlobRef
    result: BlobRef
    filename: str = ""
    notes: list[str] = []
    by: str | None = None


@event_type("batch.failed", version=1)
class BatchFailed(BaseModel):
    """Nothing was predicted; the reason is a sentence."""

    model: Name
    file: BlobRef
    reason: str
    by: str | None = None
