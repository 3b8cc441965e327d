"""Intervals of metrics, against what scikit-learn says of weighted rows."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score, r2_score, roc_auc_score

from app.ml import bootstrap, diagnosis, metrics


def scored(rows: int = 400, skill: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(5)
    truth = random.integers(0, 2, rows).astype(float)
    sure = 1 / (1 + np.exp(-(skill * (truth - 0.5) + random.normal(0, 1, rows)).round(1)))
    return truth, np.column_stack([1 - sure, sure])


def test_weighted_metrics_agree_with_sklearn() -> None:
    truth, predicted = scored()
    weights = np.random.default_rng(1).integers(0, 4, len(truth)).astype(float)
    ours = bootstrap.weighted_metrics(truth, predicted, "classification")
    chosen = predicted.argmax(axis=1)

    assert ours["auc"](weights) == pytest.approx(
        roc_auc_score(truth, predicted[:, 1], sample_weight=weights)
    )
    assert ours["f1"](weights) == pytest.approx(f1_score(truth, chosen, sample_weight=weights))
    assert ours["accuracy"](weights) == pytest.approx(
        accuracy_score(truth, chosen, sample_weight=weights)
    )
    one = np.ones(len(truth))
    usual = metrics.classification(truth, predicted)
    assert {name: measure(one) for name, measure in ours.items()} == pytest.approx(usual)


def test_a_class_that_does_not_occur_is_no_part_of_f1() -> None:
    """scikit-learn's macro average is over the classes that occur or are said."""
    random = np.random.default_rng(3)
    truth = random.choice([0.0, 1.0, 3.0], 200)
    predicted = random.dirichlet(np.ones(5), 200)
    predicted[:, [2, 4]] = 0
    predicted /= predicted.sum(axis=1, keepdims=True)
    expected = f1_score(truth, predicted.argmax(axis=1), average="macro")

    assert metrics.classification(truth, predicted)["f1"] == pytest.approx(expected)
    ours = bootstrap.weighted_metrics(truth, predicted, "classification")
    assert ours["f1"](np.ones(200)) == pytest.approx(expected)


def test_weighted_errors_agree_with_sklearn() -> None:
    random = np.random.default_rng(2)
    truth = random.normal(0, 3, 300)
    predicted = truth + random.normal(0, 1, 300)
    weights = random.integers(0, 3, 300).astype(float)
    ours = bootstrap.weighted_metrics(truth, predicted, "regression")

    assert ours["r2"](weights) == pytest.approx(r2_score(truth, predicted, sample_weight=weights))
    one = np.ones(300)
    usual = metrics.regression(truth, predicted)
    assert {name: measure(one) for name, measure in ours.items()} == pytest.approx(usual)


def test_an_interval_holds_the_metric_and_is_the_same_every_time() -> None:
    truth, predicted = scored()
    weighted = bootstrap.weighted_metrics(truth, predicted, "classification")
    found = bootstrap.intervals(weighted, len(truth))

    low, high = found["auc"]
    assert low < roc_auc_score(truth, predicted[:, 1]) < high
    # Hanley and McNeil's standard error for this area and number of rows is about 0.025.
    assert 0.05 < high - low < 0.15
    assert found == bootstrap.intervals(weighted, len(truth))


def test_a_lead_is_sure_only_where_it_is_large() -> None:
    truth, strong = scored(skill=3.0)
    _, weak = scored(skill=0.5)
    measures = [
        bootstrap.weighted_metrics(truth, p, "classification")["auc"] for p in (strong, weak)
    ]

    assert bootstrap.gain("auc", measures[0], measures[1], len(truth))[0] > 0
    assert bootstrap.gain("auc", measures[1], measures[0], len(truth))[1] < 0
    assert bootstrap.gain("auc", measures[0], measures[0], len(truth)) == [0, 0]
    error = bootstrap.weighted_metrics(truth, np.full(400, 0.5), "regression")["rmse"]
    better = bootstrap.weighted_metrics(truth, truth, "regression")["rmse"]
    assert bootstrap.gain("rmse", better, error, 400)[0] > 0


def test_what_is_drawn_adds_up() -> None:
    truth, predicted = scored()
    table = diagnosis.confusion(truth.astype(int), predicted.argmax(axis=1), ("a", "b"))
    bins = diagnosis.calibration(truth == 1, predicted[:, 1])
    errors = diagnosis.residuals(truth, predicted[:, 1])

    assert sum(map(sum, table["counts"])) == len(truth)
    assert sum(one["rows"] for one in bins) == len(truth)
    assert errors["mean"] == pytest.approx(float((truth - predicted[:, 1]).mean()), abs=1e-5)
