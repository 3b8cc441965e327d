"""Training: candidates are compared by cross-validation, the best is fitted on all rows.

Seeds are fixed: the same rows, parameters and library versions give the same
model. Data that can't be learned from raises `Untrainable`, in words.
"""

from __future__ import annotations

import time
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from app.errors import PenstockError
from app.ml import candidates, metrics
from app.ml.matrix import Data
from app.ml.schema import Schema
from app.ml.threads import threads_for
from app.ml.watching import Watch, nobody

FOLDS = 3
ONE_SPLIT_ABOVE = 10_000
"""With more rows than this one split tells the candidates apart as well as three folds."""


class Untrainable(PenstockError):
    """No candidate could be fitted to the data; the message says what each one said."""


@dataclass(frozen=True)
class Trained:
    """The fitted pipeline, the algorithm's name, how each candidate did, and what took how long."""

    pipeline: Any
    algorithm: str
    candidates: list[dict[str, Any]]
    parameters: dict[str, Any]
    seconds: float


def train(
    data: Data,
    schema: Schema,
    chosen: candidates.Parameters | None = None,
    watch: Watch = nobody,
) -> Trained:
    """Compare, choose, fit. `data` holds the training rows only."""
    with threads_for(data.matrix.size):
        return _train(data, schema, chosen, watch)


def _train(
    data: Data, schema: Schema, chosen: candidates.Parameters | None, watch: Watch
) -> Trained:
    started = time.monotonic()
    built_with = candidates.parameters(schema, chosen)
    tried = []
    for i, name in enumerate(built_with):
        watch(f"comparing {name}", (i + 1) / (len(built_with) + 3))
        tried.append(_try(name, data, schema, built_with[name]))
    usable = [result for result in tried if result.get("score") is not None]
    if not usable:
        raise Untrainable(
            "Nothing could be trained on this table. " + " ".join(r["problem"] for r in tried)
        )
    metric = metrics.deciding_metric(schema)
    sign = -1 if metric in metrics.LOWER_IS_BETTER else 1
    best = max(usable, key=lambda result: sign * result["score"])
    algorithm = best["algorithm"]
    watch(f"fitting {algorithm}", (len(built_with) + 1) / (len(built_with) + 3))
    pipeline = _fit(candidates.build(algorithm, schema, built_with[algorithm]), data, schema)
    parameters = {"algorithm": algorithm, "seed": candidates.SEED, **built_with[algorithm]}
    return Trained(pipeline, algorithm, tried, parameters, round(time.monotonic() - started, 3))


def _try(name: str, data: Data, schema: Schema, values: dict[str, Any]) -> dict[str, Any]:
    """A candidate's mean score over the folds, or the problem that it has with the data."""
    started = time.monotonic()
    metric = metrics.deciding_metric(schema)
    result: dict[str, Any] = {"algorithm": name, "metric": metric, "score": None}
    try:
        scores = [_score(name, data, schema, values, fold)[metric] for fold in _folds(data, schema)]
        result["score"] = round(float(np.mean(scores)), 6)
        result["spread"] = round(float(np.std(scores)), 6)
    except (ValueError, KeyError) as error:
        result["problem"] = f"{name}: {type(error).__name__}: {error}."
    result["seconds"] = round(time.monotonic() - started, 3)
    return result


def _score(
    name: str,
    data: Data,
    schema: Schema,
    values: dict[str, Any],
    fold: tuple[np.ndarray, np.ndarray],
) -> dict[str, float]:
    learn, test = fold
    pipeline = _fit(candidates.build(name, schema, values), data.take(learn), schema)
    return measure(pipeline, data.take(test), schema)


def _folds(data: Data, schema: Schema) -> list[tuple[np.ndarray, np.ndarray]]:
    from sklearn.model_selection import KFold, ShuffleSplit, StratifiedKFold, StratifiedShuffleSplit

    by_class = (
        schema.task == "classification"
        and np.unique(data.target, return_counts=True)[1].min() >= FOLDS
    )
    splitter: Any
    if len(data) > ONE_SPLIT_ABOVE:
        kind = StratifiedShuffleSplit if by_class else ShuffleSplit
        splitter = kind(1, test_size=0.25, random_state=candidates.SEED)
    else:
        fold_kind = StratifiedKFold if by_class else KFold
        splitter = fold_kind(FOLDS, shuffle=True, random_state=candidates.SEED)
    return list(splitter.split(data.matrix, data.target))


def _fit(pipeline: Any, data: Data, schema: Schema) -> Any:
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        # A candidate that has not settled yet is judged by its score, like any other.
        warnings.simplefilter("ignore", ConvergenceWarning)
        target = data.target.astype(np.int64) if schema.task == "classification" else data.target
        return pipeline.fit(data.matrix, target)


def predict(pipeline: Any, matrix: np.ndarray, schema: Schema) -> np.ndarray:
    """Numbers, or probabilities by the schema's labels (0 for one that training never saw)."""
    with threads_for(matrix.size):
        if schema.task == "regression":
            return np.asarray(pipeline.predict(matrix), dtype=np.float64)
        found = np.asarray(pipeline.predict_proba(matrix), dtype=np.float64)
    probabilities = np.zeros((len(matrix), len(schema.labels)))
    probabilities[:, pipeline.classes_.astype(int)] = found
    # From float32 they sum up to one only roughly.
    return probabilities / probabilities.sum(axis=1, keepdims=True)


def measure(pipeline: Any, data: Data, schema: Schema) -> dict[str, float]:
    """The metrics of a pipeline on these rows."""
    predicted = predict(pipeline, data.matrix, schema)
    if schema.task == "regression":
        return metrics.regression(data.target, predicted)
    return metrics.classification(data.target, predicted)
