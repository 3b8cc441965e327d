"""Parquet files are read as the CSV that they stand for."""

from __future__ import annotations

import csv
import io
from datetime import date, datetime

import pyarrow
import pytest
from pyarrow import parquet

from app.ml import reading
from app.ml.reading import Table
from tests.ml.tables import judged, two_classes


def as_parquet(table: pyarrow.Table, rows: int | None = None) -> bytes:
    out = io.BytesIO()
    parquet.write_table(table, out, row_group_size=rows)
    return out.getvalue()


def people(rows: int = 400) -> bytes:
    """`two_classes`, typed."""
    records = list(csv.DictReader(io.StringIO(two_classes(rows).decode())))
    ages = [int(record["age"]) if record["age"] else None for record in records]
    cities = [None if record["city"] == "?" else record["city"] for record in records]
    stays = [record["stays"] for record in records]
    columns = {"age": ages, "city": pyarrow.array(cities).dictionary_encode(), "stays": stays}
    return as_parquet(pyarrow.table(columns), 64)


def test_it_is_judged_as_the_csv_is() -> None:
    packed, plain = judged(people(), "stays"), judged(two_classes(400), "stays")

    assert packed.accepted
    assert packed.schema == plain.schema
    assert (packed.rows, packed.classes) == (plain.rows, plain.classes)
    assert [c["missing"] for c in packed.profile] == [c["missing"] for c in plain.profile]


def test_every_kind_of_value_becomes_the_text_of_a_csv() -> None:
    table = pyarrow.table(
        {
            "whole": [3, None],
            "part": [1.5, float("nan")],
            "truth": [True, False],
            "day": [date(2026, 1, 31), None],
            "moment": [datetime(2026, 1, 31, 3, 4, 5, 600), None],
            "list": [[1, 2], None],
            "bytes": [b"a\xff", b"b"],
            " padded ": [" x", "y "],
        }
    )
    read = Table.open(io.BytesIO(as_parquet(table)))

    assert read.columns[-1] == "padded"
    assert [list(map(list, chunk)) for chunk in read.chunks()] == [
        [
            ["3", "1.5", "true", "2026-01-31", "2026-01-31 03:04:05", "[1, 2]", "a\ufffd", "x"],
            ["", "nan", "false", "", "", "", "b", "y"],
        ]
    ]
    assert [list(chunk) for chunk in read.chunks()] == [list(chunk) for chunk in read.chunks()]


@pytest.mark.parametrize("damage", [people()[:500], b"PAR1" + bytes(100), b"PAR1"])
def test_a_damaged_file_is_told(damage: bytes) -> None:
    (reason,) = judged(damage, "stays").reasons

    assert "Parquet file is cut off or damaged" in reason


def test_columns_of_one_name_are_told() -> None:
    table = pyarrow.table([[1, 2], [3, 4], ["a", "b"]], names=["x", "x", "y"])

    assert "same name: x" in judged(as_parquet(table), "y").reasons[0]


def test_how_far_it_is_follows_the_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "TOLD_CELLS", 1)
    told: list[tuple[str, float]] = []
    table = Table.open(
        io.BytesIO(as_parquet(pyarrow.table({"a": range(50_000), "b": 50_000 * ["x"]})))
    )
    rows = sum(map(len, table.told(lambda step, share: told.append((step, share)), "reading")))

    assert rows == 50_000
    assert 5 < len(told) <= 21
    assert [share for _, share in told] == sorted(share for _, share in told)
    assert told[0] == ("reading", 0.0)
    assert told[1][0].startswith("reading: 3,072 rows")
