"""From rows to a model: held-out rows, training, the honest comparison."""

from __future__ import annotations

import io

import numpy as np
import pytest

from app.ml import artefact, building, evaluation, matrix, metrics, training
from app.ml.artefact import Model
from app.ml.errors import Incompatible
from app.ml.reading import Table
from app.ml.samples import DIGITS_TARGET, digits_csv
from app.ml.schema import Feature, Schema
from app.ml.split import held_out
from tests.ml.tables import accepted, csv, prices, two_classes

QUICK = {"boosting": {"max_iter": 20}}


def built(data: bytes, target: str, **options: object) -> tuple[Model, Table]:
    table, report = accepted(data, target, **options)
    assert report.schema
    model = building.build(table, report.schema, expected_rows=report.rows, chosen=QUICK).model
    return model, table


def test_a_row_is_held_out_or_not_wherever_it_stands() -> None:
    keys = np.random.default_rng(1).integers(0, 2**64, 5000, dtype=np.uint64)
    target = np.random.default_rng(2).integers(0, 2, 5000).astype(float)
    order = np.random.default_rng(3).permutation(5000)

    mask = held_out(keys, target, "classification")

    assert 0.17 < mask.mean() < 0.23
    assert (held_out(keys[order], target[order], "classification") == mask[order]).all()


def test_equal_rows_are_on_the_same_side() -> None:
    keys = np.repeat(np.random.default_rng(1).integers(0, 2**64, 500, dtype=np.uint64), 3)
    mask = held_out(keys, np.zeros(1500), "regression")

    assert (mask.reshape(500, 3).std(axis=1) == 0).all()


def test_a_table_of_few_different_rows_is_split_all_the_same() -> None:
    keys = np.tile(np.array([1, 2], dtype=np.uint64), 500)
    target = np.tile([0.0, 1.0], 500)

    assert 0.1 < held_out(keys, target, "classification").mean() < 0.3


def test_rare_classes_are_on_both_sides_and_a_single_row_in_training() -> None:
    keys = np.random.default_rng(5).integers(0, 2**64, 103, dtype=np.uint64)
    target = np.array([0.0] * 100 + [1.0, 1.0] + [2.0])
    mask = held_out(keys, target, "classification")

    assert mask[100:102].sum() == 1
    assert not mask[102]


def test_the_matrix_keeps_missing_unknown_and_known_apart() -> None:
    table, _ = accepted(csv("n,c,y", ["1,a,0", "?,b,1", "3,,0", "4,z,1"] * 5), "y")
    schema = Schema(
        (Feature("c", "category", ("a", "b")), Feature("n", "number")),
        "y",
        "classification",
        ("0", "1"),
    )
    data = matrix.read(table, schema)

    expected = [[0, 1], [1, np.nan], [np.nan, 3], [-1, 4]]
    np.testing.assert_array_equal(data.matrix[:4], np.array(expected, dtype=np.float32))
    assert data.target[:4].tolist() == [0, 1, 0, 1]


def test_a_large_table_is_thinned_to_a_bound() -> None:
    rows = [f"{i},{i % 2}" for i in range(20_000)]
    table, report = accepted(csv("x,y", rows), "y")
    assert report.schema
    data = matrix.read(table, report.schema, most_cells=5000, expected_rows=20_000)

    assert 4000 < len(data) < 6000
    assert data.rows == 20_000


def test_classification_beats_its_baseline_on_rows_it_has_not_seen() -> None:
    model, table = built(two_classes(1000), "stays")
    result = evaluation.evaluate(model, table, split=True)

    assert result.metric == "auc"
    assert result.metrics["auc"] > 0.9
    assert result.baseline["auc"] == 0.5
    assert set(result.metrics) == {"accuracy", "auc", "f1", "log_loss"}
    assert result.better
    assert 150 < result.rows < 250


def test_regression_beats_its_baseline() -> None:
    model, table = built(prices(), "price")
    result = evaluation.evaluate(model, table, split=True)

    assert set(result.metrics) == {"rmse", "mae", "r2"}
    assert result.metrics["r2"] > 0.9
    assert result.baseline["r2"] < 0.05
    assert result.better


def test_noise_is_no_better_than_the_baseline() -> None:
    chance = np.random.default_rng(4)
    rows = [f"{chance.integers(0, 9)},{chance.choice(['a', 'b'], p=[0.9, 0.1])}" for _ in range(60)]
    model, table = built(csv("x,y", rows), "y")
    result = evaluation.evaluate(model, table, split=True)

    assert result.better == (result.metrics["auc"] > 0.5)
    assert result.reasons[0].split(" than the baseline")[0] in ("Better", "No better", "Worse")


def test_digits_are_learned_in_seconds() -> None:
    model, table = built(digits_csv(), DIGITS_TARGET)
    result = evaluation.evaluate(model, table, split=True)

    assert model.labels == tuple("0123456789")
    assert result.metrics["accuracy"] > 0.95
    assert result.metrics["auc"] > 0.99


def test_the_same_rows_give_the_same_bytes() -> None:
    one, _ = built(two_classes(), "stays")
    two, _ = built(two_classes(), "stays")

    assert artefact.dump(one) == artefact.dump(two)


def test_champion_and_candidate_are_measured_on_the_same_rows() -> None:
    champion, _ = built(two_classes(300, seed=1), "stays")
    model, table = built(two_classes(300), "stays")
    beside_itself = evaluation.evaluate(model, table, split=True, champion=model)
    beside_champion = evaluation.evaluate(model, table, split=True, champion=champion)

    assert beside_itself.champion == beside_itself.metrics
    assert not beside_itself.better
    assert "No better than the champion" in beside_itself.reasons[1]
    assert beside_itself.verdict == "waiting"
    assert "a person decides" in beside_itself.reasons[-1]
    assert beside_champion.champion
    lead = beside_champion.metrics["auc"] - beside_champion.champion["auc"]
    low, high = beside_champion.gain or ()
    assert low <= lead <= high
    assert beside_champion.better == (low > 0)


def test_a_champion_with_other_columns_in_another_order_is_compared_by_name() -> None:
    rows = two_classes(300).decode().splitlines()
    swapped = [
        ",".join([line.split(",")[1], line.split(",")[0], line.split(",")[2]]) for line in rows
    ]
    model, table = built(two_classes(300), "stays")
    champion, other = built("\n".join(swapped).encode(), "stays")

    here = evaluation.evaluate(model, table, split=True, champion=champion)
    there = evaluation.evaluate(champion, other, split=True)
    assert here.champion
    assert set(here.champion) == set(there.metrics)


@pytest.mark.parametrize(
    ("other", "target", "words"),
    [
        (prices(), "price", "predicts 'price'"),
        (csv("size,stays", [f"{i},{['no', 'yes'][i % 2]}" for i in range(60)]), "stays", "'size'"),
        (
            two_classes().replace(b"yes", b"ja").replace(b"no", b"nein"),
            "stays",
            "are others than these",
        ),
    ],
)
def test_a_champion_that_cannot_be_compared_is_no_comparison(
    other: bytes, target: str, words: str
) -> None:
    champion, _ = built(other, target)
    model, table = built(two_classes(), "stays")
    result = evaluation.evaluate(model, table, split=True, champion=champion)

    assert result.champion is None
    assert words in (result.incomparable or "")
    assert not result.better
    assert "person decides" in result.reasons[-1]


def test_a_second_file_is_the_test_and_labels_it_alone_has_count_as_errors() -> None:
    second = two_classes(100, seed=3).replace(b"yes", b"yes.") + b"40,Oslo,perhaps\n" * 100
    table, report = accepted(two_classes(), "stays", evaluation=second)
    assert report.schema
    assert report.evaluation_dialect
    model = building.build(table, report.schema, split=False, chosen=QUICK)
    test = Table(io.BytesIO(second), report.evaluation_dialect)
    result = evaluation.evaluate(model.model, test, split=False)

    assert (model.held_out, result.rows, result.source) == (0, 200, "evaluation file")
    assert 0.4 < result.metrics["accuracy"] <= 0.5
    assert result.metrics["auc"] > 0.9


def test_no_rows_to_test_on_is_told() -> None:
    model, _ = built(two_classes(), "stays")
    empty = Table.open(io.BytesIO(b"age,city,stays\n31,Oslo,\n"), header=True)

    with pytest.raises(Incompatible, match="no rows to test on"):
        evaluation.evaluate(model, empty, split=False)


def test_a_class_that_training_never_saw_has_probability_zero() -> None:
    table, report = accepted(csv("x,y", [f"{i},{'abc'[i % 3]}" for i in range(90)]), "y")
    assert report.schema
    data = matrix.read(table, report.schema)
    trained = training.train(data.take(data.target < 2), report.schema, QUICK)
    found = training.predict(trained.pipeline, data.matrix, report.schema)

    assert (found[:, 2] == 0).all()
    np.testing.assert_allclose(found.sum(axis=1), 1)


def test_metrics_by_hand() -> None:
    two = metrics.classification(
        np.array([0.0, 0, 1, 1]), np.array([[0.9, 0.1], [0.4, 0.6], [0.3, 0.7], [0.2, 0.8]])
    )
    assert (two["accuracy"], two["auc"]) == (0.75, 1.0)
    assert two["f1"] == pytest.approx(0.8)
    assert two["log_loss"] == pytest.approx(-np.log([0.9, 0.4, 0.7, 0.8]).mean())

    numbers = metrics.regression(np.array([1.0, 2, 3]), np.array([1.0, 2, 5]))
    assert numbers["rmse"] == pytest.approx(np.sqrt(4 / 3))
    assert numbers["mae"] == pytest.approx(2 / 3)
    assert numbers["r2"] == pytest.approx(1 - 4 / 2)


def test_metrics_that_cannot_be_computed_are_left_out() -> None:
    one_class = metrics.classification(np.array([0.0, 0]), np.array([[0.9, 0.1], [0.4, 0.6]]))
    assert "auc" not in one_class
    assert "r2" not in metrics.regression(np.array([2.0, 2.0]), np.array([1.0, 2.0]))
