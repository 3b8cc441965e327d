"""How sure a metric is: intervals of 95 % from resampled test rows.

A resample is a weight for each row. The same weights serve two models at once,
so that their difference is paired: what is hard about a row is hard for both.
Seeds are fixed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from app.ml.metrics import LOWER_IS_BETTER
from app.ml.schema import Task

SEED = 20260103
RESAMPLES = 400
MANY_CELLS = 20_000_000
"""Rows times resamples; beyond it there are fewer resamples, down to a quarter."""
MOST_CLASSES = 12
"""With more classes `auc` has no interval: it would take longer than the training."""

Weighted = Callable[[np.ndarray], float]


def weighted_metrics(truth: np.ndarray, predicted: np.ndarray, task: Task) -> dict[str, Weighted]:
    """The metrics of `metrics.py` as functions of the rows' weights."""
    if task == "regression":
        return _of_numbers(truth, predicted)
    return _of_classes(truth, predicted)


def intervals(metrics: Mapping[str, Weighted], rows: int) -> dict[str, list[float]]:
    """`[low, high]` of each metric."""
    found: dict[str, list[float]] = {name: [] for name in metrics}
    for weights in _resamples(rows):
        for name, measure in metrics.items():
            found[name].append(measure(weights))
    return {name: _middle(values) for name, values in found.items()}


def gain(metric: str, new: Weighted, old: Weighted, rows: int) -> list[float]:
    """`[low, high]` of by how much the new model is better on the same rows; above 0 is better."""
    sign = -1 if metric in LOWER_IS_BETTER else 1
    return _middle([sign * (new(weights) - old(weights)) for weights in _resamples(rows)])


def _resamples(rows: int) -> Iterator[np.ndarray]:
    random = np.random.default_rng(SEED)
    times = max(RESAMPLES // 4, min(RESAMPLES, MANY_CELLS // max(1, rows)))
    for _ in range(times):
        yield np.bincount(random.integers(0, rows, rows), minlength=rows).astype(np.float64)


def _middle(values: list[float]) -> list[float]:
    known = [value for value in values if np.isfinite(value)]
    if not known:
        return []
    low, high = np.quantile(known, [0.025, 0.975])
    return [float(f"{low:.6g}"), float(f"{high:.6g}")]


def _of_numbers(truth: np.ndarray, predicted: np.ndarray) -> dict[str, Weighted]:
    squares, errors = (truth - predicted) ** 2, np.abs(truth - predicted)

    def r2(weights: np.ndarray) -> float:
        mean = np.average(truth, weights=weights)
        spread = np.average((truth - mean) ** 2, weights=weights)
        return float(1 - np.average(squares, weights=weights) / spread) if spread else np.nan

    return {
        "rmse": lambda weights: float(np.sqrt(np.average(squares, weights=weights))),
        "mae": lambda weights: float(np.average(errors, weights=weights)),
        "r2": r2,
    }


def _of_classes(truth: np.ndarray, predicted: np.ndarray) -> dict[str, Weighted]:
    chosen, classes = predicted.argmax(axis=1), predicted.shape[1]
    right = (chosen == truth).astype(np.float64)
    known = truth >= 0
    own = predicted[np.arange(len(truth)), np.maximum(truth, 0).astype(int)]
    smallest = np.finfo(own.dtype).eps  # as scikit-learn's log_loss clips
    loss = np.where(known, -np.log(np.clip(own, smallest, 1 - smallest)), 0.0)

    def log_loss(weights: np.ndarray) -> float:
        return float((loss * weights).sum() / max(1e-300, weights[known].sum()))

    found: dict[str, Weighted] = {
        "accuracy": lambda weights: float((right * weights).sum() / weights.sum()),
        "f1": _f1(truth, chosen, classes),
        "log_loss": log_loss,
    }
    present = np.unique(truth[known]).astype(int)
    if len(present) >= 2 and classes <= MOST_CLASSES:
        wanted = [1] if classes == 2 else list(present)
        curves = [auc(truth == code, predicted[:, code], known) for code in wanted]
        found["auc"] = lambda weights: float(np.mean([curve(weights) for curve in curves]))
    return found


def _f1(truth: np.ndarray, chosen: np.ndarray, classes: int) -> Weighted:
    codes = [1] if classes == 2 else range(classes)
    masks = [((truth == c) & (chosen == c), truth == c, chosen == c) for c in codes]

    def measure(weights: np.ndarray) -> float:
        scores = []
        for both, real, said in masks:
            whole = weights[real].sum() + weights[said].sum()
            if whole:  # else the class doesn't occur, as in metrics.py
                scores.append(2 * weights[both].sum() / whole)
        return float(np.mean(scores)) if scores else 0.0

    return measure


def auc(positive: np.ndarray, scores: np.ndarray, known: np.ndarray) -> Weighted:
    """The area under the ROC curve as a function of weights: sorted once, linear each time."""
    places = np.flatnonzero(known)
    order = places[np.argsort(scores[places], kind="stable")]
    is_new = np.diff(scores[order], prepend=-np.inf) > 0
    groups = np.cumsum(is_new) - 1
    count = int(groups[-1]) + 1 if len(groups) else 0
    positive = positive[order].astype(np.float64)

    def measure(weights: np.ndarray) -> float:
        mine = weights[order]
        above = np.bincount(groups, mine * positive, count)
        below = np.bincount(groups, mine * (1 - positive), count)
        pairs = above.sum() * below.sum()
        if not pairs:
            return np.nan
        return float((above * (np.cumsum(below) - below / 2)).sum() / pairs)

    return measure
