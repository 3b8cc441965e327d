"""Where a model is right and where it isn't: what is drawn beside its metrics.

Everything is plain JSON and small: curves have at most 100 points, tables at
most 30 classes. Computed on the test rows.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from app.ml import metrics
from app.ml.dates import written
from app.ml.matrix import Data
from app.ml.schema import Schema
from app.ml.training import predict

POINTS = 100
MOST_CLASSES = 30
CURVES = 6
BINS = 10
DOTS = 300
SEED = 20260104
IMPORTANCE_ROWS = 2000
IMPORTANCE_CELLS = 200_000
IMPORTANCE_FEATURES = 100
SHUFFLES = 3
SLICED = 8
SLICE_VALUES = 8
LEAST_SLICE = 20
"""Rows of a part, or of a dot of the calibration."""
QUARTERS = 4


def diagnose(pipeline: Any, data: Data, schema: Schema, predicted: np.ndarray) -> dict[str, Any]:
    """Curves, tables, importance and slices; what the task has of them."""
    found: dict[str, Any] = {"rows": len(data)}
    if schema.task == "regression":
        found["residuals"] = residuals(data.target, predicted)
    else:
        found |= _of_classes(data.target, predicted, schema)
    found["importance"] = importance(pipeline, data, schema)
    found["slices"] = slices(
        data, schema, predicted, [one["column"] for one in found["importance"]]
    )
    return found


def _of_classes(truth: np.ndarray, predicted: np.ndarray, schema: Schema) -> dict[str, Any]:
    known = truth >= 0
    truth, predicted = truth[known].astype(int), predicted[known]
    found: dict[str, Any] = {"confusion": confusion(truth, predicted.argmax(axis=1), schema.labels)}
    if len(schema.labels) == 2:
        wanted = [1]
    else:
        counts = np.bincount(truth, minlength=len(schema.labels))
        wanted = [int(code) for code in np.argsort(-counts, kind="stable")[:CURVES]]
    real = [code for code in wanted if 0 < (truth == code).sum() < len(truth)]
    found["roc"] = [_curve("roc", code, truth, predicted, schema) for code in real]
    found["pr"] = [_curve("pr", code, truth, predicted, schema) for code in real]
    if len(schema.labels) == 2:
        found["calibration"] = calibration(truth == 1, predicted[:, 1])
    else:
        sure = predicted.max(axis=1)
        found["calibration"] = calibration(predicted.argmax(axis=1) == truth, sure)
    return found


def confusion(truth: np.ndarray, chosen: np.ndarray, labels: tuple[str, ...]) -> dict[str, Any]:
    """Rows are the truth, columns what the model says; the most common classes."""
    whole = np.zeros((len(labels), len(labels)), dtype=int)
    np.add.at(whole, (truth, chosen), 1)
    codes = sorted(np.argsort(-whole.sum(axis=1), kind="stable")[:MOST_CLASSES].tolist())
    right, real, said = np.diag(whole), whole.sum(axis=1), whole.sum(axis=0)
    return {
        "labels": [labels[code] for code in codes],
        "counts": whole[np.ix_(codes, codes)].tolist(),
        "classes": len(labels),
        "recall": [_ratio(right[code], real[code]) for code in codes],
        "precision": [_ratio(right[code], said[code]) for code in codes],
    }


def _curve(
    kind: str, code: int, truth: np.ndarray, predicted: np.ndarray, schema: Schema
) -> dict[str, Any]:
    from sklearn.metrics import precision_recall_curve, roc_curve

    if kind == "roc":
        x, y, _ = roc_curve(truth == code, predicted[:, code])
    else:
        y, x, _ = precision_recall_curve(truth == code, predicted[:, code])
        x, y = x[::-1], y[::-1]
    places = np.unique(np.linspace(0, len(x) - 1, POINTS).round().astype(int))
    points = [[round(float(x[i]), 4), round(float(y[i]), 4)] for i in places]
    return {"label": schema.labels[code], "points": points, "share": float((truth == code).mean())}


def calibration(happened: np.ndarray, said: np.ndarray) -> list[dict[str, Any]]:
    """In bins of about as many rows each, by what the model said: its mean, how often it was so.

    Of as many rows: where most probabilities are small, bins of equal width would be one dot.
    """
    wanted = max(1, min(BINS, len(said) // LEAST_SLICE))
    edges = np.quantile(said, np.linspace(0, 1, wanted + 1)[1:-1])
    bins = np.searchsorted(edges, said)
    return [
        {
            "said": round(float(said[bins == b].mean()), 4),
            "was": round(float(happened[bins == b].mean()), 4),
            "rows": int((bins == b).sum()),
        }
        for b in np.unique(bins)
    ]


def residuals(truth: np.ndarray, predicted: np.ndarray) -> dict[str, Any]:
    """Some rows as `[predicted, truth - predicted]`, and how the errors spread."""
    errors = truth - predicted
    random = np.random.default_rng(SEED)
    some = np.sort(random.permutation(len(truth))[:DOTS])
    low, high = np.quantile(errors, [0.005, 0.995])
    counts, edges = np.histogram(
        errors, 20, range=(low, high) if low < high else (low - 1, low + 1)
    )
    return {
        "points": [[float(f"{predicted[i]:.6g}"), float(f"{errors[i]:.6g}")] for i in some],
        "histogram": counts.tolist(),
        "from": float(f"{edges[0]:.6g}"),
        "to": float(f"{edges[-1]:.6g}"),
        "mean": float(f"{errors.mean():.6g}"),
    }


def importance(pipeline: Any, data: Data, schema: Schema) -> list[dict[str, Any]]:
    """How much worse the model gets when a column is shuffled, the most important first.

    The mean of some shuffles, and how far they differ: a loss below that may be chance. Columns
    beyond the first hundred are left out.
    """
    features = schema.features[:IMPORTANCE_FEATURES]
    random = np.random.default_rng(SEED)
    rows = min(len(data), IMPORTANCE_ROWS, max(200, IMPORTANCE_CELLS // max(1, len(features))))
    some = random.permutation(len(data))[:rows]
    matrix, target = data.matrix[some], data.target[some]
    usual = _score(target, predict(pipeline, matrix, schema), schema)
    if usual is None:
        return []
    found = []
    for i, feature in enumerate(features):
        losses = []
        for _ in range(SHUFFLES):
            shuffled = matrix.copy()
            shuffled[:, i] = matrix[random.permutation(rows), i]
            score = _score(target, predict(pipeline, shuffled, schema), schema)
            losses.append(0.0 if score is None else usual - score)
        loss, spread = float(np.mean(losses)), float(np.std(losses))
        found.append({"column": feature.name, "loss": round(loss, 6), "spread": round(spread, 6)})
    return sorted(found, key=lambda one: -one["loss"])


def slices(
    data: Data, schema: Schema, predicted: np.ndarray, order: list[str]
) -> list[dict[str, Any]]:
    """The metric for parts of the rows, by the values of the most important columns."""
    places = {feature.name: i for i, feature in enumerate(schema.features)}
    found = []
    for name in order[:SLICED]:
        i = places[name]
        for text, mask in _parts(data.matrix[:, i], schema, i):
            if mask.sum() < LEAST_SLICE:
                continue
            score = measures(data.target[mask], predicted[mask], schema)
            found.append({"column": name, "value": text, "rows": int(mask.sum()), "metrics": score})
    return found


def _parts(values: np.ndarray, schema: Schema, i: int) -> list[tuple[str, np.ndarray]]:
    feature = schema.features[i]
    missing = np.isnan(values)
    parts: list[tuple[str, np.ndarray]] = []
    if feature.kind == "category":
        codes, counts = np.unique(values[~missing], return_counts=True)
        for code in codes[np.argsort(-counts, kind="stable")][:SLICE_VALUES]:
            text = feature.categories[int(code)] if code >= 0 else "not known from training"
            parts.append((text, values == code))
    elif (~missing).any():
        write = written if feature.kind == "date" else "{:g}".format
        parts += _ranges(values, write)
    if missing.any():
        parts.append(("missing", missing))
    return parts


def _ranges(values: np.ndarray, write: Callable[[float], str]) -> list[tuple[str, np.ndarray]]:
    """Single values where there are few of them, or one that is very common; else quarters."""
    known, counts = np.unique(values[~np.isnan(values)], return_counts=True)
    single = known if len(known) <= QUARTERS else known[counts >= counts.sum() / QUARTERS]
    parts = [(write(value), values == value) for value in single]
    rest = ~np.isnan(values) & ~np.isin(values, single)
    if rest.any():
        edges = np.unique(np.quantile(values[rest], np.linspace(0, 1, QUARTERS + 1)))
        for low, high in itertools.pairwise(edges):
            last = high == edges[-1]
            mask = rest & (values >= low) & ((values <= high) if last else (values < high))
            parts.append((f"{write(low)} to {write(high)}", mask))
    return parts


def measures(truth: np.ndarray, predicted: np.ndarray, schema: Schema) -> dict[str, float]:
    """The metrics of the task by their usual names."""
    if schema.task == "regression":
        return metrics.regression(truth, predicted)
    return metrics.classification(truth, predicted)


def _score(truth: np.ndarray, predicted: np.ndarray, schema: Schema) -> float | None:
    """The deciding metric, larger is better."""
    name = metrics.deciding_metric(schema)
    found = measures(truth, predicted, schema)
    value = found.get(name, found.get("accuracy"))
    return None if value is None else -value if name in metrics.LOWER_IS_BETTER else value


def _ratio(part: int, whole: int) -> float | None:
    return round(float(part / whole), 4) if whole else None
