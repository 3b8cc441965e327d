"""Rows from clients: predicted, or told what is wrong with them."""

from __future__ import annotations

import math
from typing import Any

import pytest

from app.ml import building, matrix
from app.ml.scoring import Scorer
from tests.ml.tables import accepted, csv, judged, prices, two_classes


@pytest.fixture(scope="module")
def scorer() -> Scorer:
    table, report = accepted(two_classes(), "stays")
    assert report.schema
    return Scorer(building.build(table, report.schema).model)


@pytest.fixture(scope="module")
def strict() -> Scorer:
    """Learned from columns that were never empty."""
    table, report = accepted(csv("size,kind,y", [f"{i},{'ab'[i % 2]},{['no', 'yes'][i % 2]}"
                                               for i in range(100)]), "y")  # fmt: skip
    assert report.schema
    return Scorer(building.build(table, report.schema).model)


def one(scorer: Scorer, row: Any) -> Any:
    predictions, problems = scorer.score([row])
    return predictions[0] if predictions[0] is not None else problems[0].problem


def test_a_prediction_has_a_value_and_probabilities_by_label(scorer: Scorer) -> None:
    old, young = {"age": 75, "city": "Oslo"}, {"age": 19, "city": "Rome"}

    assert one(scorer, old)["value"] == "yes"
    assert one(scorer, young)["value"] == "no"
    shares = one(scorer, young)["probabilities"]
    assert set(shares) == {"no", "yes"}
    assert math.isclose(sum(shares.values()), 1, abs_tol=1e-5)


def test_a_regression_predicts_a_number() -> None:
    table, report = accepted(prices(), "price")
    assert report.schema
    scorer = Scorer(building.build(table, report.schema).model)
    small, large = (
        one(scorer, {"size": 40, "garden": "no"}),
        one(scorer, {"size": 150, "garden": "yes"}),
    )

    assert set(small) == {"value"}
    assert small["value"] < 90_000 < large["value"]


def test_numbers_may_be_texts_as_in_a_csv(scorer: Scorer) -> None:
    assert one(scorer, {"age": " 75 ", "city": " Oslo "}) == one(
        scorer, {"age": 75.0, "city": "Oslo"}
    )


@pytest.mark.parametrize("missing", [None, "", "?", "NA"])
def test_missing_values_are_missing_as_in_training(scorer: Scorer, missing: Any) -> None:
    assert one(scorer, {"age": missing, "city": missing}) == one(scorer, {})


def test_unknown_categories_are_no_error(scorer: Scorer) -> None:
    assert one(scorer, {"age": 75, "city": "Atlantis"})["value"] in ("yes", "no")


def test_more_columns_than_needed_are_no_error(scorer: Scorer) -> None:
    row = {"age": 75, "city": "Oslo"}

    assert one(scorer, row) == one(scorer, {**row, "stays": "yes", "id": 7})


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"age": "old"}, "column 'age' should be a number, and 'old' is not one"),
        ({"age": [1]}, "should be a number"),
        ({"age": float("nan")}, "should be a number"),
        ({"age": float("inf")}, "should be a number"),
        ({"age": 10**400}, "should be a number"),
        ({"age": 1e300}, "should be a number"),
        ({"age": "1e300"}, "should be a number"),
        ({"city": {"name": "Oslo"}}, "column 'city' should be text"),
        ("Oslo", "a row is an object"),
        (None, "a row is an object"),
        ([75, "Oslo"], "a row is an object"),
    ],
)
def test_a_bad_row_is_told_which_column_and_why(scorer: Scorer, row: Any, words: str) -> None:
    assert words in one(scorer, row)


def test_a_bad_row_does_not_spoil_the_others(scorer: Scorer) -> None:
    predictions, problems = scorer.score([{"age": 75}, {"age": "x"}, {"age": 19}])

    assert [prediction is not None for prediction in predictions] == [True, False, True]
    assert [problem.row for problem in problems] == [1]


def test_a_column_that_was_never_missing_has_to_be_given(strict: Scorer) -> None:
    told = one(strict, {"size": 3, "kidn": "a"})

    assert "column 'kind' not given" in told
    assert "is 'kidn' meant for it?" in told
    assert one(strict, {"size": 3, "kind": None})["value"] in ("yes", "no")


def test_categories_that_look_like_numbers_or_truths_are_found() -> None:
    rows = [
        f"{['1', '2', 'x'][i % 3]},{['true', 'false'][i % 2]},{'ab'[i % 3 == 0]}" for i in range(90)
    ]
    table, report = accepted(csv("code,flag,y", rows), "y")
    assert report.schema
    scorer = Scorer(building.build(table, report.schema).model)

    as_text = one(scorer, {"code": "1", "flag": "true"})
    assert as_text["value"] == "b"
    for code in (1, 1.0):
        assert one(scorer, {"code": code, "flag": True}) == as_text


def test_nothing_to_score(scorer: Scorer) -> None:
    assert scorer.score([]) == ([], [])


def with_odd_cells(odd: list[str], rows: int = 400) -> bytes:
    """`x` is a number but for some cells, `y` follows it."""
    lines = [
        f"{odd[i // 40 % len(odd)] if i % 40 == 7 else i},{'no' if i < rows / 2 else 'yes'}"
        for i in range(rows)
    ]
    return csv("x,y", lines)


def test_what_the_table_wrote_in_place_of_a_number_is_missing_when_served() -> None:
    table, report = accepted(with_odd_cells(["unknown", "n.d."]), "y")
    assert report.schema
    scorer = Scorer(building.build(table, report.schema).model)

    assert report.schema.features[0].blanks == ("n.d.", "unknown")
    assert one(scorer, {"x": "unknown"}) == one(scorer, {"x": " n.d. "}) == one(scorer, {"x": None})
    assert "'old' is not one" in one(scorer, {"x": "old"})
    many, told = accepted(with_odd_cells([f"code {i}" for i in range(200)], 8000), "y")
    assert told.schema
    assert told.schema.features[0].lenient
    lenient = Scorer(building.build(many, told.schema).model)
    assert one(lenient, {"x": "old"}) == one(lenient, {"x": None})


def table_of(days: list[str]) -> bytes:
    return csv("day,n,y", [f"{day},{i},{'ab'[i % 2]}" for i, day in enumerate(days)])


def test_what_is_no_date_in_the_table_is_missing_when_served() -> None:
    days = [
        f"{'tbd' if i % 50 == 3 else f'2026-{1 + i % 12:02}-{1 + i % 28:02}'}" for i in range(300)
    ]
    table, report = accepted(table_of(days), "y")
    assert report.schema
    scorer = Scorer(building.build(table, report.schema).model)

    assert one(scorer, {"day": "tbd", "n": 3}) == one(scorer, {"day": None, "n": 3})
    assert "should be a date" in one(scorer, {"day": "soon", "n": 3})
    second = csv("day,n,y", [f"{d},{i},a" for i, d in enumerate([*days[:20], "soon"])])
    told = judged(table_of(days), "y", evaluation=second)
    assert "are no dates, such as 'soon'" in " ".join(told.notes)


def test_a_row_that_would_be_refused_is_no_part_of_a_test() -> None:
    table, report = accepted(with_odd_cells(["unknown"]), "y")
    assert report.schema
    assert matrix.read(table, report.schema).bad == 0
    second, _ = accepted(with_odd_cells(["unknown", "old"], 400), "y")
    data = matrix.read(second, report.schema)

    assert (data.rows, data.bad, len(data)) == (400, 5, 395)
    told = judged(with_odd_cells(["unknown"]), "y", evaluation=with_odd_cells(["unknown", "old"]))
    assert "'old', which the first file doesn't have" in " ".join(told.notes)
    none = judged(with_odd_cells(["unknown"]), "y", evaluation=csv("x,y", ["a,no", "b,yes"]))
    assert "holds no numbers" in none.reasons[0]
