"""The pipeline's work between blobs and events: judge a table, train, evaluate.

Each function reads blobs, computes, writes blobs and returns what to say about
it. None touches SQL, so that no transaction is open while a model learns.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

from app.domain.events import (
    Compared,
    DatasetUploaded,
    DatasetValidated,
    Lineage,
    ModelEvaluated,
    TrainingFinished,
    TrainingStarted,
)
from app.domain.serving import Champion
from app.domain.trainer import Trainer
from app.ml import artefact, candidates, evaluation, validation
from app.ml.code import code_version, library_versions
from app.ml.reading import Table
from app.ml.report import Plan, Report
from app.ml.watching import Watch, nobody
from app.store.blobs import BlobStore


def judge(
    blobs: BlobStore,
    upload: DatasetUploaded,
    before: tuple[int, str] | None = None,
    rules: Sequence[str] = (),
    watch: Watch = nobody,
) -> tuple[Report, str]:
    """The report on an uploaded table, and its reference; `watch` hears how far the reading is.

    `before`: the version to compare with, and its report. `rules`: the operator's, for its rows.
    """
    assert upload.file is not None
    compared = _reference(blobs, *before) if before else None
    with ExitStack() as stack:
        file = stack.enter_context(blobs.open(upload.file))
        second = stack.enter_context(blobs.open(upload.evaluation)) if upload.evaluation else None
        report = validation.validate(
            file,
            str(upload.target),
            task=upload.task,
            header=upload.header,
            evaluation=second,
            before=compared,
            rules=rules,
            watch=watch,
        )
    return report, put_json(blobs, report.to_dict())


def order_training(
    blobs: BlobStore, validated: DatasetValidated, correlationid: str
) -> TrainingStarted:
    """What is to be trained on a validated table, and with which parameters."""
    plan = plan_of(blobs, validated.report)
    return TrainingStarted(
        model=validated.dataset,
        file=validated.file,
        evaluation=validated.evaluation,
        report=validated.report,
        task=validated.task,
        parameters=candidates.parameters(plan.schema),
        lineage=Lineage(
            dataset=validated.dataset,
            dataset_version=validated.version,
            sha256=validated.file.removeprefix("sha256:"),
            rows=plan.rows,
            by=validated.by,
            correlationid=correlationid,
        ),
    )


def train(
    blobs: BlobStore,
    started: TrainingStarted,
    trainer: Trainer,
    watch: Watch,
    is_cancelled: Callable[[], bool],
) -> TrainingFinished:
    """Train the candidates, keep the best.

    Raises `Untrainable` where the data defeats them all, `Stopped` at a limit, `Cancelled`.
    """
    plan = plan_of(blobs, started.report)
    job = {
        "dialect": plan.dialect.to_dict(),
        "schema": plan.schema.to_dict(),
        "split": started.evaluation is None,
        "rows": plan.rows,
        "parameters": started.parameters,
    }
    with blobs.open(started.file) as file:
        content, facts = trainer(file, job, watch, is_cancelled)
    algorithm = facts.pop("algorithm")
    versions = {"code": code_version(), "libraries": library_versions()}
    return TrainingFinished(
        model=started.model,
        artefact=blobs.put(content),
        algorithm=algorithm,
        file=started.file,
        evaluation=started.evaluation,
        report=started.report,
        task=started.task,
        lineage=started.lineage.model_copy(update={**facts, **versions}),
    )


def evaluate(
    blobs: BlobStore, finished: TrainingFinished, champion: Champion | None
) -> ModelEvaluated:
    """Test the model as it was stored, beside the baseline and the champion."""
    plan = plan_of(blobs, finished.report)
    model = artefact.load(blobs.read(finished.artefact))
    against = artefact.load(blobs.read(champion.artefact)) if champion else None
    with blobs.open(finished.evaluation or finished.file) as file:
        result = evaluation.evaluate(
            model,
            Table(file, plan.evaluation_dialect or plan.dialect),
            split=finished.evaluation is None,
            champion=against,
            expected_rows=plan.evaluation_rows if finished.evaluation else plan.rows,
        )
    if champion and champion.artefact == finished.artefact:
        result.verdict = "rejected"
        result.reasons = [
            f"It is the champion itself, version {champion.version}: the same rows and parameters "
            "gave the same model."
        ]
    tested = {"tested_on": result.rows, "test_source": result.source}
    return ModelEvaluated(
        model=finished.model,
        task=finished.task,
        classes=list(model.labels),
        metric=result.metric,
        metrics=result.metrics,
        baseline=result.baseline,
        champion=Compared(version=champion.version, metrics=result.champion) if champion else None,
        better=result.better,
        verdict=result.verdict,
        intervals=result.intervals,
        gain=result.gain,
        details=put_json(blobs, result.details),
        reasons=result.reasons,
        artefact=finished.artefact,
        sample=put_json(blobs, result.check),
        lineage=finished.lineage.model_copy(update=tested),
    )


def _reference(blobs: BlobStore, version: int, report: str) -> validation.Before | None:
    """What the report kept for a comparison; those of older code kept nothing."""
    found = json.loads(blobs.read(report)).get("reference")
    return validation.Before(version, found) if found else None


def plan_of(blobs: BlobStore, report: str) -> Plan:
    """How to read the table, from its report."""
    return Plan.of(json.loads(blobs.read(report)))


def put_json(blobs: BlobStore, value: Any) -> str:
    return blobs.put(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())
