"""What is drawn of an evaluation, against scikit-learn and counts by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.calibration import calibration_curve
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import confusion_matrix, roc_auc_score

from app.ml import diagnosis
from app.ml.matrix import Data
from app.ml.schema import Feature, Schema

SCHEMA = Schema(
    (Feature("strong", "number"), Feature("weak", "number"), Feature("none", "number")),
    "y",
    "classification",
    ("no", "yes"),
)


@pytest.fixture(scope="module")
def tested() -> tuple[Any, Data, np.ndarray]:
    """A model of three columns, of which two matter, and rows to test it on."""
    random = np.random.default_rng(11)
    matrix = random.normal(0, 1, (3000, 3)).astype(np.float32)
    matrix[:, 2] = np.where(random.random(3000) < 0.7, 0, matrix[:, 2])
    logit = 2 * matrix[:, 0] + 0.7 * matrix[:, 1] - 2
    target = (random.random(3000) < 1 / (1 + np.exp(-logit))).astype(float)
    model = LogisticRegression().fit(matrix[:1000], target[:1000].astype(int))
    places = np.arange(2000)
    data = Data(matrix[1000:], target[1000:], places.astype(np.uint64), places, 2000)
    return model, data, model.predict_proba(data.matrix)


def test_importance_agrees_with_sklearn(tested: tuple[Any, Data, np.ndarray]) -> None:
    model, data, _ = tested
    ours = {one["column"]: one for one in diagnosis.importance(model, data, SCHEMA)}
    theirs = permutation_importance(
        model, data.matrix, data.target, scoring="roc_auc", n_repeats=10, random_state=1
    )

    assert list(ours) == ["strong", "weak", "none"]
    for name, mean in zip(("strong", "weak", "none"), theirs.importances_mean, strict=True):
        assert ours[name]["loss"] == pytest.approx(mean, abs=0.015)
        assert ours[name]["spread"] < 0.02


def test_a_score_of_exactly_0_is_a_score(
    tested: tuple[Any, Data, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, data, _ = tested
    scores = iter([0.8] + 9 * [0.0])
    monkeypatch.setattr(diagnosis, "_score", lambda *_: next(scores))

    assert [one["loss"] for one in diagnosis.importance(model, data, SCHEMA)] == 3 * [0.8]


def test_calibration_has_bins_of_as_many_rows(tested: tuple[Any, Data, np.ndarray]) -> None:
    _, data, predicted = tested
    ours = diagnosis.calibration(data.target == 1, predicted[:, 1])
    was, said = calibration_curve(data.target, predicted[:, 1], n_bins=10, strategy="quantile")

    assert [one["was"] for one in ours] == pytest.approx(was, abs=1e-3)
    assert [one["said"] for one in ours] == pytest.approx(said, abs=1e-3)
    assert [one["rows"] for one in ours] == 10 * [200]
    few = diagnosis.calibration(data.target[:50] == 1, predicted[:50, 1])
    assert [one["rows"] for one in few] == [25, 25]


def test_slices_are_of_some_size_and_measured_alone(tested: tuple[Any, Data, np.ndarray]) -> None:
    _, data, predicted = tested
    found = diagnosis.slices(data, SCHEMA, predicted, ["strong", "none"])
    sizes = {(one["column"], one["value"]): one["rows"] for one in found}

    assert [rows for (column, _), rows in sizes.items() if column == "strong"] == 4 * [500]
    zeros = data.matrix[:, 2] == 0
    assert sizes["none", "0"] == zeros.sum()
    assert sum(rows for (column, _), rows in sizes.items() if column == "none") == 2000
    assert min(sizes.values()) >= diagnosis.LEAST_SLICE
    alone = next(one for one in found if (one["column"], one["value"]) == ("none", "0"))
    expected = roc_auc_score(data.target[zeros], predicted[zeros, 1])
    assert alone["metrics"]["auc"] == pytest.approx(expected)


def test_confusion_agrees_with_sklearn(tested: tuple[Any, Data, np.ndarray]) -> None:
    _, data, predicted = tested
    chosen = predicted.argmax(axis=1)
    table = diagnosis.confusion(data.target.astype(int), chosen, SCHEMA.labels)

    assert table["counts"] == confusion_matrix(data.target, chosen).tolist()
