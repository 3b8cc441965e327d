"""Cells: what is a number, what is missing, how labels are spelt."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.ml.labels import Labels
from app.ml.values import MISSING, in_order, number, numbers


@pytest.mark.parametrize(
    ("cell", "value"), [("1", 1.0), ("-2.5", -2.5), (".5", 0.5), ("1e3", 1000.0), ("+7.", 7.0)]
)
def test_numbers(cell: str, value: float) -> None:
    assert number(cell) == value


@pytest.mark.parametrize(
    "cell",
    ["", "1_000", "inf", "nan", "1,5", "0x10", "12 ", "1e999", "1e39", "٣", "one", "1.2.3", "-"],
)
def test_what_python_takes_for_a_number_and_people_do_not(cell: str) -> None:
    assert number(cell) is None


@given(st.floats(-3e38, 3e38))
def test_every_written_float_is_read_back(value: float) -> None:
    assert number(repr(value)) == value
    assert number(repr(value).replace(".", ","), ",") == value


def test_labels_are_found_with_a_trailing_dot_or_a_decimal_zero() -> None:
    labels = Labels(("<=50K", ">50K", "7"))

    assert [labels.code(cell) for cell in ("<=50K.", ">50K", "7.0", "maybe")] == [0, 1, 2, None]
    assert labels.respelt(">50K.")
    assert not labels.respelt(">50K")


def test_labels_are_sorted_as_numbers_where_all_are() -> None:
    assert in_order(["10", "9", "1"]) == ["1", "9", "10"]
    assert in_order(["10", "9", "b"]) == ["10", "9", "b"]


CELLS = st.lists(
    st.sampled_from(["1", "-2.5", "?", "", "x", "1e999", "1e39", "1,5", "1.5,2", "1_0", "3.", "--"])
    | st.floats(-3e38, 3e38).map(repr)
    | st.text("0123456789.,eE+-", max_size=6)
)


@given(CELLS, st.sampled_from([".", ","]))
def test_a_column_is_read_as_its_cells_one_by_one(cells: list[str], decimal: str) -> None:
    one_by_one = [None if cell in MISSING else number(cell, decimal) for cell in cells]

    np.testing.assert_array_equal(numbers(cells, decimal), np.array(one_by_one, dtype=np.float64))
