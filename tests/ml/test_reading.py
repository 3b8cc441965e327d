"""Files as people have them are read as what they are."""

from __future__ import annotations

import io

import pytest

from app.ml.dialect import detect
from app.ml.errors import Unreadable
from app.ml.reading import Table

PLAIN = "name,age\nZoë,31\nAndré,44\nJosé,27\n"


def rows(data: bytes, **options: object) -> list[list[str]]:
    table = Table.open(io.BytesIO(data), **options)  # type: ignore[arg-type]
    return [list(row) for chunk in table.chunks() for row in chunk]


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "latin-1", "utf-16", "utf-16-le", "utf-16-be"]
)
def test_reads_the_same_rows_in_every_encoding(encoding: str) -> None:
    assert rows(PLAIN.encode(encoding)) == [["Zoë", "31"], ["André", "44"], ["José", "27"]]


def test_finds_a_latin_1_letter_after_a_long_way_of_ascii() -> None:
    data = b"name,age\n" + b"Ann,31\n" * 60_000 + "Zoë,31\n".encode("latin-1")

    assert rows(data)[-1] == ["Zoë", "31"]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_finds_the_delimiter(delimiter: str) -> None:
    lines = ["a,b,c", "1,2,x", "3,4,y"]
    data = "\n".join(line.replace(",", delimiter) for line in lines).encode()

    assert detect(io.BytesIO(data)).delimiter == delimiter


def test_decimal_commas_are_numbers_and_not_delimiters() -> None:
    dialect = detect(io.BytesIO(b"a;b\n1,5;2,25\n3,0;4,75\n"))

    assert (dialect.delimiter, dialect.decimal) == (";", ",")


def test_quoted_cells_keep_delimiters_and_line_breaks() -> None:
    assert rows(b'a,b\n"x, y","1\n2"\n') == [["x, y", "1\n2"]]


@pytest.mark.parametrize(
    ("data", "header"),
    [
        (b"age,city\n31,Oslo\n44,Rome\n", True),
        (b"31,Oslo\n44,Rome\n", False),
        (b"city,mood\nOslo,good\nRome,bad\nOslo,bad\n", True),
        (b"Oslo,good\nRome,bad\nOslo,bad\nRome,good\n", False),
        (b"1,2\n3,4\n", False),
        (b"age,city\n", True),
        (b"31,Oslo\n", False),
    ],
)
def test_tells_a_header_from_data(data: bytes, header: bool) -> None:
    assert detect(io.BytesIO(data)).header is header


def test_a_target_that_the_first_line_names_makes_it_a_header() -> None:
    data = b"a,b\na,b\nb,a\n"

    assert not detect(io.BytesIO(data)).header
    assert detect(io.BytesIO(data), target="b").header


def test_what_one_says_about_the_header_counts_more_than_what_is_found() -> None:
    data = b"age,city\n31,Oslo\n"

    assert not detect(io.BytesIO(data), header=False).header
    assert detect(io.BytesIO(data), header=False).columns == ("column_0", "column_1")


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (b"", "empty"),
        (b"  \n\n ", "empty"),
        (b"<!DOCTYPE html><html><body>404</body></html>", "HTML page"),
        (b"\xef\xbb\xbf  <html>\n<p>no</p>", "HTML page"),
        (b"<!-- saved from a page -->\n<html><body>no</body></html>", "HTML page"),
        (b'<?xml version="1.0"?><rows/>', "XML"),
        (b'{"rows": []}', "JSON"),
        (b'[\n  {"a": 1},\n  {"a": 2}\n]', "JSON"),
        (b"{\\rtf1 Dear all}", "RTF"),
        (b"PK\x03\x04" + bytes(100), "Excel"),
        (b"%PDF-1.7\n", "PDF"),
        (bytes(range(256)) * 20, "binary"),
    ],
)
def test_says_what_a_file_is_that_is_no_table(data: bytes, word: str) -> None:
    with pytest.raises(Unreadable, match=word):
        detect(io.BytesIO(data))


def test_a_quote_that_is_never_closed_is_told_and_takes_no_memory() -> None:
    data = b"a,b\n1,2\n" * 50 + b'"open,' + b"1,2\n" * 100_000

    with pytest.raises(Unreadable, match="never closed"):
        Table.open(io.BytesIO(data))


@pytest.mark.parametrize("cells", ['{i},"{i}', '"{i},{i}', '{i},"{i}\n'])
def test_such_a_quote_in_a_small_file_is_told_with_its_line(cells: str) -> None:
    """It makes one cell of all rows behind it, which may even be of the right width."""
    lines = [cells.format(i=i).rstrip() if i == 30 else f"{i},x" for i in range(60)]
    table = Table.open(io.BytesIO("\n".join(["a,b", *lines]).encode()))

    with pytest.raises(Unreadable, match="near line 32 and never closed"):
        list(table.chunks())
    with pytest.raises(Unreadable, match="near line 1 and never closed"):
        Table.open(io.BytesIO("\n".join(['a,"b', *lines[:20]]).encode()))


@pytest.mark.parametrize("end", ['7,"x', '"x', '7,"x\ny'])
def test_a_file_that_ends_within_a_cell_loses_that_row_only(end: str) -> None:
    table = Table.open(io.BytesIO("\n".join(["a,b", *9 * ["1,x"], end]).encode()))
    rows = [row for chunk in table.chunks() for row in chunk]

    assert rows == 9 * [("1", "x")]
    assert (table.misshapen, table.last_line_cut) == (1, True)


def test_such_a_quote_beyond_the_first_part_is_told_too() -> None:
    table = Table.open(io.BytesIO(b"a,b\n" + b"1,2\n" * 100_000 + b'"open,' + b"1,2\n" * 100_000))

    with pytest.raises(Unreadable, match=r"near line 1\d\d,?\d\d\d.*never closed"):
        list(table.chunks())


def test_misshapen_rows_are_left_out_and_counted() -> None:
    table = Table.open(io.BytesIO(b"a,b\n1,2\n3\n4,5,6\n7,8\n9"))

    assert [row for chunk in table.chunks() for row in chunk] == [("1", "2"), ("7", "8")]
    assert (table.misshapen, table.last_line_cut) == (3, True)


def test_a_table_can_be_read_again_and_row_by_row() -> None:
    table = Table.open(io.BytesIO(b"a,b\n" + b"".join(b"%d,x\n" % i for i in range(10_000))))

    assert sum(map(len, table.chunks())) == sum(map(len, table.chunks())) == 10_000
    assert table.rows_at({0, 4096, 9999}) == {
        0: ("0", "x"),
        4096: ("4096", "x"),
        9999: ("9999", "x"),
    }


def test_padding_and_blank_rows_go_and_the_padded_are_counted() -> None:
    table = Table.open(io.BytesIO(b"a,b,c\n1, x ,3\n,,\n , ,\n4,y,6\n,z , 9\n"))

    assert [row for chunk in table.chunks() for row in chunk] == [
        ("1", "x", "3"),
        ("4", "y", "6"),
        ("", "z", "9"),
    ]
    assert (table.padded, table.misshapen) == (2, 0)
