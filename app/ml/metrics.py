"""Metrics by their usual names, and which of them decides."""

from __future__ import annotations

import math

import numpy as np

from app.ml.schema import Schema

LOWER_IS_BETTER = frozenset(["rmse", "mae", "log_loss"])


def deciding_metric(schema: Schema) -> str:
    """Ranking judges two classes, being right many classes, and the error numbers."""
    if schema.task == "regression":
        return "rmse"
    return "auc" if len(schema.labels) == 2 else "accuracy"


def better(metric: str, new: float, old: float) -> bool:
    """Strictly, beyond rounding."""
    gain = old - new if metric in LOWER_IS_BETTER else new - old
    return gain > 1e-9


def classification(truth: np.ndarray, probabilities: np.ndarray) -> dict[str, float]:
    """`truth` holds codes, -1 for a label that the model doesn't know: an error in accuracy and f1,
    and left out of what needs its probability."""
    from sklearn.metrics import accuracy_score, f1_score, log_loss

    codes = np.arange(probabilities.shape[1])
    chosen = probabilities.argmax(axis=1)
    known = truth >= 0
    if len(codes) == 2:
        f1 = f1_score(truth == 1, chosen == 1, zero_division=0.0)
    else:
        # Of a class that neither occurs nor is said, these rows tell nothing.
        seen = np.union1d(truth[known].astype(int), chosen)
        f1 = f1_score(truth, chosen, labels=seen, average="macro", zero_division=0.0)
    found = {"accuracy": float(accuracy_score(truth, chosen)), "f1": float(f1)}
    if known.any():
        found["log_loss"] = float(log_loss(truth[known], probabilities[known], labels=codes))
        auc = _auc(truth[known], probabilities[known])
        if auc is not None:
            found["auc"] = auc
    return {name: _rounded(value) for name, value in found.items()}


def _auc(truth: np.ndarray, probabilities: np.ndarray) -> float | None:
    """One class against the rest, averaged over those that occur; None where only one does."""
    from sklearn.metrics import roc_auc_score

    present = np.unique(truth).astype(int)
    if len(present) < 2:
        return None
    if probabilities.shape[1] == 2:
        return float(roc_auc_score(truth == 1, probabilities[:, 1]))
    return float(
        np.mean([roc_auc_score(truth == code, probabilities[:, code]) for code in present])
    )


def regression(truth: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """`r2` is left out where the truth is the same everywhere."""
    errors = truth - predicted
    found = {"rmse": math.sqrt(float(np.mean(errors**2))), "mae": float(np.mean(np.abs(errors)))}
    spread = float(np.sum((truth - truth.mean()) ** 2))
    if spread > 0:
        found["r2"] = 1 - float(np.sum(errors**2)) / spread
    return {name: _rounded(value) for name, value in found.items()}


def _rounded(value: float) -> float:
    return float(f"{value:.8g}")
