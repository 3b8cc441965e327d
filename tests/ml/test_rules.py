"""An operator's rules in plain words."""

from __future__ import annotations

import pytest

from app.ml.rules import BadRule, Rules, parse

COLUMNS = ["age", "home town", "plan"]


@pytest.mark.parametrize(
    ("rule", "row", "keeps"),
    [
        ("age between 0 and 120", ["120", "", ""], True),
        ("age between 0 and 120", ["121", "", ""], False),
        ("age between 0 and 120", ["old", "", ""], False),
        ("age between 0 and 120", ["?", "", ""], True),
        ("no nulls in home town", ["1", "Oslo", ""], True),
        ("No missing values in home town", ["1", "NA", ""], False),
        ("age >= -2.5", ["-2.5", "", ""], True),
        ("age<3", ["3", "", ""], False),
        ("plan in free, pro", ["", "", "pro"], True),
        ("plan in (free, pro)", ["", "", "team"], False),
    ],
)
def test_a_rule_keeps_or_breaks(rule: str, row: list[str], keeps: bool) -> None:
    assert (Rules([rule], COLUMNS, ".").broken(row) is None) == keeps


def test_a_rule_that_is_not_understood_says_how_to_write_one() -> None:
    with pytest.raises(BadRule, match="age between 0 and 120"):
        parse("age ok")
    with pytest.raises(BadRule, match="'wage', which isn't there"):
        Rules(["wage > 0"], COLUMNS, ".")


def test_numbers_are_read_as_the_table_writes_them() -> None:
    assert Rules(["age > 1000"], COLUMNS, ".,").broken(["1,234", "", ""]) is None
