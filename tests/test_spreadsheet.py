"""What strangers typed is never computed by the program that opens a download."""

from __future__ import annotations

import pytest

from app.spreadsheet import as_text, line


@pytest.mark.parametrize(
    "cell",
    [
        "=1+1",
        "@SUM(A1)",
        "+cmd|' /C calc'!A0",
        "-2+3",
        "  =1",
        "\t=1",
        "\r=1",
        "\n=1",
        "＝1",
        "-1-1",
    ],
)
def test_a_formula_gets_an_apostrophe(cell: str) -> None:
    assert as_text(cell) == f"'{cell}"


@pytest.mark.parametrize(
    "cell",
    ["", "a=b", "-5", "-5.0e-3", "+1", "-1.234,56", "-1'234.5", "-,5", "-3 %", "-", "--", "x"],
)
def test_numbers_of_any_country_and_plain_text_stay_as_they_are(cell: str) -> None:
    assert as_text(cell) == cell


def test_a_line_quotes_what_would_break_it() -> None:
    assert line(["a,b", 'say "x"', "=1"]) == '"a,b","say ""x""",\'=1\r\n'
