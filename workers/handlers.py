"""The sample pipeline: from an uploaded table to a deployed model, and its predictions.

Each handler does one step and says what happened; `app.domain` knows how. Files
are read and models trained before `ctx.session` is first used, so that no
transaction is open meanwhile. A verdict (a bad table, a worse model, a failed
check) is an event; an exception is for what may go better the next time.
"""

from __future__ import annotations

from app import Context, Event, Process, Reject, RetryPolicy, on, process, when
from app.domain import batches, inference, pipeline
from app.domain.cancelling import Cancelled
from app.domain.events import (
    BatchCompleted,
    BatchProgressed,
    DatasetProgressed,
    DatasetRejected,
    DatasetValidated,
    DeploymentFinished,
    DeploymentRolledBack,
    DeploymentStarted,
    ModelApproved,
    ModelRegistered,
    ModelRejected,
    TrainingCancelled,
)
from app.domain.progress import Progress
from app.domain.trainer import Stopped
from app.errors import Conflict, NotFound
from app.ml.report import Report
from app.ml.watching import Watch

HOUR = 3600
APPROVAL_TIME = "24h"


@on(
    "dataset.uploaded",
    emits=["dataset.validated", "dataset.rejected"],
    lane="default",
    retry=RetryPolicy(attempts=5),
    timeout=HOUR,
)
def validate(event: Event, ctx: Context) -> Event:
    """Judge the table."""
    upload = event.data
    if not upload.file:
        raise Reject("an upload without a file")
    before = ctx.platform.datasets.validated_before(upload.dataset, event.id)
    rules = ctx.platform.datasets.rules(upload.dataset)["rules"]
    progress = Progress(
        ctx.platform.publisher, event, ctx.delivery_id, ctx.attempt, DatasetProgressed
    )
    watch = _until_cancelled(ctx, progress)
    ref: str | None
    try:
        report, ref = pipeline.judge(ctx.blobs, upload, before, rules, watch)
    except NotFound as error:
        raise Reject(str(error)) from error
    except Cancelled as error:
        report, ref = Report(reasons=[str(error)]), None
    version = ctx.platform.datasets.record_judgement(ctx.session, event, report, ref)
    if not report.accepted or report.schema is None or ref is None:
        rejected = DatasetRejected(
            dataset=upload.dataset,
            version=version,
            reason=" ".join(report.reasons),
            reasons=report.reasons,
            report=ref,
        )
        return _about(upload.dataset, "dataset.rejected", rejected)
    validated = DatasetValidated(
        dataset=upload.dataset,
        version=version,
        file=upload.file,
        evaluation=upload.evaluation,
        report=ref,
        target=report.schema.target,
        task=report.schema.task,
        summary=report.summary(),
        by=upload.by,
    )
    return _about(upload.dataset, "dataset.validated", validated)


@on("dataset.validated", emits=["training.started"], lane="default", timeout=60)
def start_training(event: Event, ctx: Context) -> Event:
    """Order a training with the parameters that the table calls for."""
    started = pipeline.order_training(ctx.blobs, event.data, ctx.correlationid)
    return _about(started.model, "training.started", started)


@on(
    "training.started",
    emits=["training.finished", "training.cancelled"],
    lane="training",
    retry=RetryPolicy(attempts=2),
    timeout=HOUR,
)
def train(event: Event, ctx: Context) -> Event:
    """Train the candidates and keep the best; each step is told, and a person can cancel."""
    models, name = ctx.platform.models, event.data.model
    progress = Progress(ctx.platform.publisher, event, ctx.delivery_id, ctx.attempt)

    def is_cancelled() -> bool:
        return models.cancelled(ctx.correlationid) is not None

    try:
        if is_cancelled():
            raise Cancelled("The run was cancelled before its training.")
        trainer = ctx.platform.trainer
        finished = pipeline.train(ctx.blobs, event.data, trainer, progress.tell, is_cancelled)
    except Cancelled:
        return _cancelled(name, ctx)
    except Stopped as error:
        raise Reject(str(error)) from error
    return _about(name, "training.finished", finished)


@on(
    "training.finished",
    emits=["model.evaluated", "training.cancelled"],
    lane="training",
    retry=RetryPolicy(attempts=2),
    timeout=HOUR,
)
def evaluate(event: Event, ctx: Context) -> Event:
    """Test the model beside the baseline and the champion."""
    models, name = ctx.platform.models, event.data.model
    evaluated = pipeline.evaluate(ctx.blobs, event.data, models.champion(name))
    if models.cancelled(ctx.correlationid):
        return _cancelled(name, ctx)
    return _about(name, "model.evaluated", evaluated)


@on("model.evaluated", emits=["model.registered"], lane="default", timeout=60)
def register(event: Event, ctx: Context) -> Event:
    """Give the model a version."""
    model = event.data
    version = ctx.platform.models.register(ctx.session, model, ctx.correlationid)
    kept = model.model_dump(exclude={"task", "classes", "lineage", "intervals", "gain", "details"})
    return _about(model.model, "model.registered", ModelRegistered(version=version, **kept))


@on("model.registered", emits=["model.approved", "model.rejected"], lane="default", timeout=60)
def decide(event: Event, ctx: Context) -> Event | None:
    """Approve what is better beyond doubt; where there is doubt, the run waits for a person."""
    model, models = event.data, ctx.platform.models
    champion = model.champion.version if model.champion else None
    state = model.verdict or ("approved" if model.better else "rejected")
    reasons = model.reasons
    try:
        models.stop_if_cancelled(ctx.correlationid, ctx.session)
    except Cancelled as error:
        state, reasons = "rejected", [str(error)]
    models.decide(ctx.session, model.model, model.version, state, " ".join(reasons))
    if state == "waiting":
        models.hold(ctx.session, model.model, model.version, ctx.correlationid, event.id)
        return None
    verdict = ModelApproved if state == "approved" else ModelRejected
    data = verdict(model=model.model, version=model.version, champion=champion, reasons=reasons)
    return _about(model.model, f"model.{state}", data)


@process(emits=["model.rejected"], name="workers.handlers.approval")
class Approval(Process):
    """Where there is doubt, a person has a day to answer; then the version is rejected."""

    about: str = ""
    version: int = 0
    champion: int | None = None

    @when("model.registered", start=True)
    def ask(self, event: Event, ctx: Context) -> None:
        """Wait, if the verdict is to."""
        if event.data.verdict != "waiting":
            self.finish()
            return
        self.about, self.version = event.data.model, event.data.version
        self.champion = event.data.champion.version if event.data.champion else None
        self.become("waiting", within=APPROVAL_TIME)

    @when("model.approved", "model.rejected", state="waiting")
    def answered(self, event: Event, ctx: Context) -> None:
        """A person said yes or no, and the registry has it."""
        self.finish()

    @when("deadline.passed", state="waiting")
    def give_up(self, event: Event, ctx: Context) -> Event | None:
        """Nobody said anything (or promoted the version by hand): no is the safe answer."""
        self.finish()
        reason = f"Nobody approved it within {APPROVAL_TIME}."
        if not ctx.platform.models.expire(ctx.session, self.about, self.version, reason):
            return None
        data = ModelRejected(
            model=self.about, version=self.version, champion=self.champion, reasons=[reason]
        )
        return _about(self.about, "model.rejected", data)


@on("model.approved", emits=["deployment.started"], lane="default", timeout=60)
def start_deployment(event: Event, ctx: Context) -> Event:
    """Say that the version is about to take over."""
    model = event.data
    started = DeploymentStarted(
        model=model.model,
        version=model.version,
        champion=model.champion,
        by=model.by,
        reason=" ".join(model.reasons) if model.by else "",
    )
    return _about(model.model, "deployment.started", started)


@on(
    "deployment.started",
    emits=["deployment.finished", "deployment.rolledback"],
    lane="default",
    timeout=300,
)
def deploy(event: Event, ctx: Context) -> Event:
    """Check the version in a clean process, then swap the champion, or say why not."""
    models, started = ctx.platform.models, event.data
    name, version = started.model, started.version
    checked = models.check(name, version)
    problem = checked.problem
    if problem is None:
        try:
            models.stop_if_cancelled(ctx.correlationid, ctx.session)
            reason = started.reason or "Better, and passed its check."
            models.swap(ctx.session, name, version, started.champion, by=started.by, reason=reason)
        except (Conflict, Cancelled) as error:
            problem = str(error)
    if problem is None:
        done = DeploymentFinished(
            model=name,
            version=version,
            previous=started.champion,
            checked_rows=checked.rows,
            by=started.by,
            reason=started.reason,
        )
        return _about(name, "deployment.finished", done)
    models.decide(ctx.session, name, version, "rolledback", problem)
    champion = models.champion_in(ctx.session, name)
    failed = DeploymentRolledBack(model=name, version=version, champion=champion, reason=problem)
    return _about(name, "deployment.rolledback", failed)


@on(
    "inference.requested",
    emits=["inference.completed", "inference.failed"],
    batch=64,
    linger=0.005,
    lane="inference",
    timeout=60,
)
def score(events: list[Event], ctx: Context) -> list[inference.Answer]:
    """Predict with the champions, a micro-batch at a time."""
    return inference.answer(ctx.platform.models.serving, [event.data for event in events])


@on(
    "batch.requested",
    emits=["batch.completed", "batch.failed"],
    lane="training",
    retry=RetryPolicy(attempts=3),
    timeout=HOUR,
)
def predict_file(event: Event, ctx: Context) -> Event:
    """Predict a whole file with the champion; in the lane of long work, beside no request."""
    progress = Progress(
        ctx.platform.publisher, event, ctx.delivery_id, ctx.attempt, BatchProgressed
    )
    serving, watch = ctx.platform.models.serving, _until_cancelled(ctx, progress)
    done = batches.predict_file(ctx.blobs, serving, event.data, watch)
    state = "completed" if isinstance(done, BatchCompleted) else "failed"
    return _about(event.data.model, f"batch.{state}", done)


def _until_cancelled(ctx: Context, progress: Progress) -> Watch:
    """Tells of each step, unless a person has cancelled the run: then it raises `Cancelled`."""

    def watch(step: str, share: float) -> None:
        ctx.platform.models.stop_if_cancelled(ctx.correlationid)
        progress.tell(step, share)

    return watch


def _cancelled(model: str, ctx: Context) -> Event:
    by, reason = ctx.platform.models.cancelled(ctx.correlationid)
    data = TrainingCancelled(model=model, by=by, reason=reason)
    return _about(model, "training.cancelled", data)


def _about(dataset: str, type: str, data: object) -> Event:
    """An event of a dataset's run: what is of the same dataset keeps its order."""
    return Event(type=type, data=data, partitionkey=dataset, subject=dataset)
