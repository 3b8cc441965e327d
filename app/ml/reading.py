"""A table's rows in chunks, in bounded memory, as text.

`Table` is a file that has been recognised: its dialect, and its rows as often
as one asks. Rows whose number of cells is wrong are left out and counted; they
are the caller's to judge.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import BinaryIO

from app.ml.dialect import Dialect, broken, detect
from app.ml.packed import unpacked
from app.ml.rules import Rules

CHUNK_ROWS = 4096
CHUNK_CELLS = 1 << 18

Row = list[str]


class Table:
    """A CSV file and how to read it.

    `misshapen`, `padded` (rows with spaces after cells) and `breaking` (rows that break a rule,
    and are left out) are known once a pass has ended.
    """

    def __init__(self, stream: BinaryIO, dialect: Dialect):
        self.dialect = dialect
        self.columns = list(dialect.columns)
        self.misshapen = self.padded = self.breaking = 0
        self.rules = Rules(dialect.rules, self.columns, dialect.decimal)
        self.last_line_cut = False
        self._stream = unpacked(stream)

    @classmethod
    def open(
        cls,
        stream: BinaryIO,
        *,
        header: bool | None = None,
        target: str | None = None,
        rules: Sequence[str] = (),
    ) -> Table:
        """Recognises the file; `stream` must be seekable. Raises Unreadable."""
        stream = unpacked(stream)
        dialect = detect(stream, header=header, target=target)
        return cls(stream, replace(dialect, rules=tuple(rules)))

    def chunks(self) -> Iterator[list[Row]]:
        """Lists of rows of stripped cells, each as wide as the table; from the start every time."""
        width = len(self.columns)
        size = max(1, min(CHUNK_ROWS, CHUNK_CELLS // width))
        self.misshapen, self.padded, self.breaking, self.last_line_cut = 0, 0, 0, False
        chunk: list[Row] = []
        for row in self._rows():
            if len(row) != width:
                self.misshapen += 1
                self.last_line_cut = len(row) < width
                continue
            self.last_line_cut = False
            cells = [cell.strip() for cell in row]
            self.padded += cells != row
            if self.rules.rules and self.rules.broken(cells):
                self.breaking += 1
                continue
            chunk.append(cells)
            if len(chunk) == size:
                yield chunk
                chunk = []
        if chunk:
            yield chunk

    def rows_at(self, positions: set[int]) -> dict[int, Row]:
        """The rows at these positions, counted over well-shaped rows from 0."""
        found: dict[int, Row] = {}
        start = 0
        for chunk in self.chunks():
            for position in range(start, start + len(chunk)):
                if position in positions:
                    found[position] = chunk[position - start]
            start += len(chunk)
            if len(found) == len(positions):
                break
        return found

    def numbered_rows(self) -> Iterator[tuple[int, Row]]:
        """Every row as it is in the file, misshapen ones too, counted from 1."""
        return enumerate(self._rows(), 1)

    def _rows(self) -> Iterator[Row]:
        self._stream.seek(0)
        # Detection decided on the encoding; a stray byte must not end a reading half way.
        text = io.TextIOWrapper(self._stream, self.dialect.encoding, errors="replace", newline="")
        reader = csv.reader(text, delimiter=self.dialect.delimiter, skipinitialspace=True)
        skip_header = self.dialect.header
        try:
            for row in reader:
                if not any(row) or not any(cell.strip() for cell in row):
                    continue
                if skip_header:
                    skip_header = False
                    continue
                yield row
        except csv.Error as error:
            raise broken(error, reader.line_num) from error
        finally:
            text.detach()
