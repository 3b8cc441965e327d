"""The one place that writes models: `record_model(session, change)`.

The champion is an alias that is swapped by compare-and-set: whoever swaps it
says which champion it expects, and learns in a `Conflict` that it was
overtaken. A run registers an artefact once, however often it is tried.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlmodel import Session, col, select

from app.domain.aggregates import PIPELINE, Model
from app.domain.rows import locked
from app.domain.tables import ModelRow, ModelVersionRow, PromotionRow
from app.errors import Conflict, NotFound
from app.sourcing.repository import Repository
from app.store.columns import LARGEST, clean, key, key_or_none


@dataclass(frozen=True)
class Registered:
    """A tested model gets its version. State: candidate."""

    model: str
    correlationid: str
    artefact: str
    sample: str
    task: str
    classes: list[str]
    metric: str
    metrics: dict[str, float]
    baseline: dict[str, float]
    champion: dict[str, Any] | None
    lineage: dict[str, Any]
    reason: str
    at: float
    intervals: dict[str, list[float]] | None = None
    gain: list[float] | None = None
    details: str | None = None


@dataclass(frozen=True)
class Decided:
    """A version was `approved`, `rejected`, is `waiting` for a person, or failed its deployment
    (`rolledback`)."""

    model: str
    version: int
    state: str
    reason: str
    at: float
    by: str | None = None


@dataclass(frozen=True)
class Promoted:
    """A version takes over from `expected`; `back` where it is an earlier champion again."""

    model: str
    version: int
    expected: int | None
    by: str | None
    reason: str
    at: float
    back: bool = False


Change = Registered | Decided | Promoted


def record_model(session: Session, change: Change, aggregates: Repository) -> int:
    """Apply a change, and record it in the model's history; the version's number.

    Raises `NotFound`, or `Conflict` where the champion is not the expected one.
    """
    match change:
        case Registered():
            return _register(session, change, aggregates)
        case Decided():
            return _decide(session, change, aggregates)
        case Promoted():
            return _promote(session, change, aggregates)


def _register(session: Session, change: Registered, aggregates: Repository) -> int:
    new = ModelRow(name=change.model, task=change.task, created=change.at, updated=change.at)
    model = locked(session, ModelRow, change.model, new)
    known = session.exec(
        select(ModelVersionRow.version).where(
            col(ModelVersionRow.model) == change.model,
            col(ModelVersionRow.correlationid) == key(change.correlationid),
            col(ModelVersionRow.artefact) == change.artefact,
        )
    ).first()
    if known is not None:
        return known
    model.versions += 1
    model.task, model.updated = change.task, change.at
    session.add(
        ModelVersionRow(
            model=change.model,
            version=model.versions,
            correlationid=key(change.correlationid),
            artefact=change.artefact,
            sample=change.sample,
            state="candidate",
            task=change.task,
            classes=change.classes,
            metric=change.metric,
            metrics=change.metrics,
            baseline=change.baseline,
            champion=change.champion,
            lineage=change.lineage,
            reason=clean(change.reason),
            registered=change.at,
            intervals=change.intervals,
            gain=change.gain,
            details=change.details,
        )
    )
    session.flush()
    with aggregates.edit(Model, change.model, actor=PIPELINE, session=session) as history:
        history.register(
            model.versions,
            change.correlationid,
            task=change.task,
            artefact=change.artefact,
            metrics=change.metrics,
            reason=clean(change.reason),
        )
    return model.versions


def _decide(session: Session, change: Decided, aggregates: Repository) -> int:
    _locked(session, change.model)
    version = _version(session, change.model, change.version)
    said = (change.state, clean(change.reason))
    # A late decision doesn't depose anybody, and a repeated one is none.
    if version.state not in ("champion", "retired") and said != (version.state, version.reason):
        version.state, version.reason = said
        session.flush()
        by = change.by or PIPELINE
        with aggregates.edit(Model, change.model, actor=by, session=session) as history:
            history.decide(change.version, *said)
    return version.version


def _promote(session: Session, change: Promoted, aggregates: Repository) -> int:
    version = _version(session, change.model, change.version)
    model = _locked(session, change.model)
    if model.champion == change.version:
        return version.version  # done before: a repetition changes nothing
    if model.champion != change.expected:
        raise Conflict(
            f"Version {change.version} of {change.model} was to take over from "
            f"{_called(change.expected)}, and meanwhile {_called(model.champion)} is the "
            "champion. Compare with that one, and promote again if it still should."
        )
    model.champion, model.updated = change.version, change.at
    if change.expected is not None:
        _version(session, change.model, change.expected).state = "retired"
    version.state = "champion"
    session.add(
        PromotionRow(
            model=change.model,
            version=change.version,
            previous=change.expected,
            back=change.back,
            by=key_or_none(change.by),
            reason=clean(change.reason),
            at=change.at,
        )
    )
    session.flush()
    by = change.by or PIPELINE
    with aggregates.edit(Model, change.model, actor=by, session=session) as history:
        history.promote(change.version, change.expected, clean(change.reason), change.back)
    return version.version


def _locked(session: Session, model: str) -> ModelRow:
    """The model's row: who decides on it waits until the one before has committed."""
    row = session.get(ModelRow, model, with_for_update=True, populate_existing=True)
    if row is None:
        raise NotFound(f"There is no model {model!r}; `python -m app models list` lists them.")
    return row


def _version(session: Session, model: str, version: int) -> ModelVersionRow:
    row = session.get(ModelVersionRow, (model, version)) if version <= LARGEST else None
    if row is None:
        raise NotFound(
            f"There is no version {version} of a model {model!r}; `python -m app models show "
            f"{model}` lists them."
        )
    return row


def _called(version: int | None) -> str:
    return "nobody" if version is None else f"version {version}"
