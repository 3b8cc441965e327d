"""An honest test: the new model, the baseline and the champion on the very same rows.

The rows are a second file's where there is one, else those that were held out
of the training. The verdict on a first model: `approved` where it is better than
guessing, else `rejected`. Where there is a champion: `approved` where the lead
is more than chance gives, else `waiting` for a person, who sees the comparison.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from app.ml import bootstrap, diagnosis, matrix, metrics
from app.ml.artefact import Model
from app.ml.errors import Incompatible
from app.ml.matrix import Data
from app.ml.reading import Table
from app.ml.schema import Schema
from app.ml.scoring import Scorer
from app.ml.split import held_out
from app.ml.training import predict
from app.ml.values import MISSING, number

CHECK_ROWS = 50

Verdict = Literal["approved", "rejected", "waiting"]


@dataclass
class Evaluation:
    """What was measured on the same rows.

    `champion` is None where there is none, or where it couldn't be compared: `incomparable`
    says why. `intervals` hold 95 % of each metric, `gain` of the deciding one's lead over the
    champion. `better`: approved without a person. `details` is for `diagnosis`'s drawings.
    """

    metric: str
    metrics: dict[str, float]
    baseline: dict[str, float]
    champion: dict[str, float] | None
    incomparable: str | None
    rows: int
    source: str
    verdict: Verdict = "rejected"
    intervals: dict[str, list[float]] = field(default_factory=dict)
    gain: list[float] | None = None
    reasons: list[str] = field(default_factory=list)
    check: dict[str, Any] = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def better(self) -> bool:
        return self.verdict == "approved"


def rows_to_test(table: Table, schema: Schema, *, split: bool, expected_rows: int = 0) -> Data:
    """The rows to test on: the held-out ones of the table (`split`), or all of it."""
    data = matrix.read(table, schema, expected_rows=expected_rows)
    return data.take(held_out(data.keys, data.target, schema.task)) if split else data


def evaluate(
    model: Model,
    table: Table,
    *,
    split: bool,
    champion: Model | None = None,
    expected_rows: int = 0,
) -> Evaluation:
    """Measure all three on the test rows of the table, and judge."""
    data = rows_to_test(table, model.schema, split=split, expected_rows=expected_rows)
    if not len(data):
        raise Incompatible(
            "There are no rows to test on: no row of the evaluation file has a target."
        )
    predicted = predict(model.pipeline, data.matrix, model.schema)
    own = diagnosis.measures(data.target, predicted, model.schema)
    weighted = bootstrap.weighted_metrics(data.target, predicted, model.schema.task)
    result = Evaluation(
        metric=metrics.deciding_metric(model.schema),
        metrics=own,
        baseline=_measure_baseline(model, data),
        champion=None,
        incomparable=None,
        rows=len(data),
        source="held-out rows" if split else "evaluation file",
        intervals=bootstrap.intervals(weighted, len(data)),
    )
    if result.metric not in own:
        # One class only among the test rows: no ranking to judge by.
        result.metric = "accuracy"
    if champion is not None:
        try:
            theirs = _ask_champion(champion, model, table, data)
            result.champion = diagnosis.measures(data.target, theirs, model.schema)
            other = bootstrap.weighted_metrics(data.target, theirs, model.schema.task)
            name = result.metric
            result.gain = bootstrap.gain(name, weighted[name], other[name], len(data))
        except Incompatible as problem:
            result.incomparable = str(problem)
    _judge(result, had_champion=champion is not None)
    result.check = check_sample(model, table, data)
    result.details = diagnosis.diagnose(model.pipeline, data, model.schema, predicted)
    result.details["left_out"] = data.bad
    return result


def _measure_baseline(model: Model, data: Data) -> dict[str, float]:
    return diagnosis.measures(data.target, model.baseline_predictions(len(data)), model.schema)


def _ask_champion(champion: Model, model: Model, table: Table, data: Data) -> np.ndarray:
    """The champion reads the same rows by its own schema; its labels' codes are made ours."""
    theirs, ours = champion.schema, model.schema
    if theirs.task != ours.task or theirs.target != ours.target:
        raise Incompatible(
            f"The champion predicts {theirs.target!r} ({theirs.task}), not {ours.target!r} "
            f"({ours.task})."
        )
    same = matrix.read_at(table, theirs, data.positions)
    predicted = predict(champion.pipeline, same, theirs)
    if ours.task == "regression":
        return predicted
    shared = [label for label in theirs.labels if label in ours.labels]
    if len(shared) < 2:
        raise Incompatible(
            f"The champion's classes ({', '.join(theirs.labels[:5])}) are others than these."
        )
    aligned = np.zeros((len(predicted), len(ours.labels)))
    for i, label in enumerate(theirs.labels):
        if label in ours.labels:
            aligned[:, ours.labels.index(label)] = predicted[:, i]
    sums = aligned.sum(axis=1, keepdims=True)
    return np.divide(aligned, sums, out=np.full_like(aligned, 1 / len(ours.labels)), where=sums > 0)


def _judge(result: Evaluation, *, had_champion: bool) -> None:
    metric, own = result.metric, result.metrics[result.metric]
    result.reasons.append(_compared("the baseline", metric, own, result.baseline[metric]))
    guesses = not metrics.better(metric, own, result.baseline[metric])
    if not had_champion:
        result.verdict = "rejected" if guesses else "approved"
        return
    result.verdict = "waiting"
    if result.champion is None or not result.gain:
        result.reasons.append(
            f"It can't be compared with the champion: {result.incomparable} A person decides."
        )
        return
    result.reasons.append(_compared("the champion", metric, own, result.champion[metric]))
    low, high = result.gain
    lead = f"Its lead is between {low:.4g} and {high:.4g} (95 %)"
    if guesses:
        result.reasons.append(f"{lead}, but guessing is as good: a person decides.")
    elif metrics.better("gain", low, 0.0):
        result.verdict = "approved"
        result.reasons.append(f"{lead}.")
    elif metrics.better(metric, own, result.champion[metric]):
        result.reasons.append(f"{lead}, so it may be chance: a person decides.")
    else:
        result.reasons.append(f"{lead}: a person decides.")


def _compared(other: str, metric: str, own: float, theirs: float) -> str:
    if metrics.better(metric, own, theirs):
        return f"Better than {other}: {metric} {own:.4g} against {theirs:.4g}."
    word = "No better" if own == theirs else "Worse"
    return f"{word} than {other}: {metric} {own:.4g} against {theirs:.4g}."


def as_sent(row: Mapping[str, str], schema: Schema, decimal: str) -> dict[str, Any]:
    """A table's row as a client sends it: numbers are numbers, however the table writes them."""
    sent: dict[str, Any] = {}
    for feature in schema.features:
        cell = row[feature.name]
        found = number(cell, decimal) if feature.kind == "number" else None
        if found is not None:
            sent[feature.name] = int(found) if found.is_integer() else found
        else:
            sent[feature.name] = None if cell in MISSING else cell
    return sent


def check_sample(model: Model, table: Table, data: Data) -> dict[str, Any]:
    """Some test rows as a client sends them, and the model's answers: for the check later on."""
    positions = [int(p) for p in data.positions[:CHECK_ROWS]]
    cells = table.rows_at(set(positions))
    rows = [
        as_sent(
            dict(zip(table.columns, cells[p], strict=True)), model.schema, table.dialect.decimal
        )
        for p in positions
    ]
    predictions, problems = Scorer(model).score(rows)
    good = [i for i, prediction in enumerate(predictions) if prediction is not None]
    if not good:
        raise Incompatible(f"The model can't score its own test rows: {problems[0].problem}.")
    return {"rows": [rows[i] for i in good], "predictions": [predictions[i] for i in good]}
