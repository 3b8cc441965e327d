"""Dates, thousands and packed files."""

from __future__ import annotations

import gzip
import random
import tempfile

import pytest

from app.ml import building, dates, evaluation, packed
from app.ml.scoring import Scorer
from app.ml.validation import validate
from app.ml.values import number
from tests.ml.tables import accepted, csv, judged, two_classes


@pytest.mark.parametrize(
    ("cell", "form", "days"),
    [
        ("1970-01-02", "year-month-day", 1.0),
        ("1970/1/2 12:00", "year-month-day", 1.5),
        ("1970-01-02T12:00:00+06:00", "year-month-day", 1.25),
        ("02.01.1970", "day.month.year", 1.0),
        ("01/02/1970", "month/day/year", 1.0),
        ("02/01/1970", "day/month/year", 1.0),
        ("1970-02-30", "year-month-day", None),
        ("soon", "year-month-day", None),
    ],
)
def test_dates_are_days_since_1970(cell: str, form: str, days: float | None) -> None:
    assert dates.day_number(cell, form) == days


def test_days_beyond_12_tell_day_and_month_apart() -> None:
    assert dates.recognised(["31/01/2026", "02/03/2026"]) == "day/month/year"
    assert dates.recognised(["01/31/2026", "02/03/2026"]) == "month/day/year"
    assert dates.recognised(["2026-01-31", "new", "old"]) is None
    assert dates.ambiguous(["01/02/2026"], "month/day/year")


def test_a_column_of_dates_is_learned_from_and_served() -> None:
    chance = random.Random(3)
    rows = []
    for _ in range(300):
        day = chance.randrange(1, 366)
        rows.append(f"{dates.written(19000 + day)},{chance.random():.3f},{'ab'[day > 180]}")
    table, report = accepted(csv("day,x,y", rows), "y")
    assert report.schema
    assert report.schema.features[0].kind == "date"
    built = building.build(table, report.schema)
    result = evaluation.evaluate(built.model, table, split=True)

    assert result.metrics["auc"] > 0.95
    found, problems = Scorer(built.model).score(
        [{"day": dates.written(19010), "x": 0.5}, {"day": "", "x": 0.5}, {"day": "soon", "x": 1}]
    )
    assert found[0] and found[0]["value"] == "a"
    assert found[1]
    assert "should be a date (year-month-day), and 'soon' is not one" in problems[0].problem


def test_dates_cannot_be_a_target() -> None:
    rows = [f"{i % 7},{dates.written(19000 + i % 20)}" for i in range(100)]

    assert judged(csv("x,day", rows), "day", task="classification").accepted
    assert "holds dates (year-month-day)" in judged(csv("x,day", rows), "day").reasons[0]


@pytest.mark.parametrize(
    ("cell", "style", "value"),
    [
        ("1,234,567.5", ".,", 1234567.5),
        ("1.234,5", ",.", 1234.5),
        ("1 234,5", ", ", 1234.5),
        ("1\u202f234", ". ", 1234.0),
        ("-1'234.5", ".'", -1234.5),
        ("12,34", ".,", None),
        ("0,123", ".,", None),
    ],
)
def test_thousands(cell: str, style: str, value: float | None) -> None:
    assert number(cell, style) == value


@pytest.mark.parametrize(
    ("price", "separator", "style"),
    [
        (lambda i: f'"{1000 + i * 37:,}"', ",", ".,"),
        (lambda i: f"{1000 + i * 37:,}.50", ";", ".,"),
        (lambda i: f"{1000 + i * 37},5", ";", ","),
        (lambda i: f"{1000 + i * 37:,}".replace(",", ".") + ",25", ";", ",."),
        (lambda i: f"{1000 + i * 37:,}".replace(",", " "), ";", ". "),
        (lambda i: f"{1000 + i * 37}.5", ",", "."),
        (lambda i: f"{i / 8:.3f}".replace(".", ","), ";", ","),
    ],
)
def test_how_numbers_are_written_is_recognised(price, separator: str, style: str) -> None:  # type: ignore[no-untyped-def]
    rows = [f"{price(i)}{separator}{'ab'[i % 2]}" for i in range(60)]
    report = judged(csv(f"price{separator}y", rows), "y")

    assert report.dialect
    assert report.dialect.decimal == style
    assert report.profile[0]["type"] == "number"


def test_a_gzip_file_is_read_from_a_spooled_file() -> None:
    with tempfile.SpooledTemporaryFile() as file:
        file.write(gzip.compress(two_classes(50)))
        assert validate(file, "stays").rows == 50  # type: ignore[arg-type]


def test_a_gzip_file_is_read_as_what_is_in_it() -> None:
    table, report = accepted(gzip.compress(two_classes(200)), "stays")

    assert report.rows == 200
    assert sum(map(len, table.chunks())) == sum(map(len, table.chunks())) == 200
    assert "cut off or damaged" in judged(gzip.compress(two_classes(200))[:500], "stays").reasons[0]
    twice = gzip.compress(gzip.compress(two_classes(200)))
    assert "gzip file in a gzip file" in judged(twice, "stays").reasons[0]


def test_a_small_file_that_unpacks_without_end_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed, "FREE_BYTES", 1 << 20)
    bomb = gzip.compress(b"a,b\n" + b"1,2\n" * 2_000_000)

    (reason,) = judged(bomb, "b").reasons
    assert "more than 200 times its size" in reason
    assert "without gzip" in reason


@pytest.mark.parametrize(("name", "kept"), [("Kunde Nr", False), ("income", True)])
def test_a_name_and_a_number_of_its_own_in_each_row_are_an_identifier(
    name: str, kept: bool
) -> None:
    numbers = random.Random(5).sample(range(100_000), 200)
    report = judged(csv(f"{name},x,y", [f"{n},{n % 7},{'ab'[n % 2]}" for n in numbers]), "y")

    assert (report.profile[0]["type"] == "number") is kept
