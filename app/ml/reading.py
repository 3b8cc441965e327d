"""A table's rows in chunks, in bounded memory, as text: of a CSV or a Parquet file.

`Table` is a file that has been recognised: its dialect, and its rows as often
as one asks. Rows whose number of cells is wrong are left out and counted; they
are the caller's to judge.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain, islice
from typing import BinaryIO, TypeVar

from app.ml import parquet
from app.ml.chunk import Chunk, Row, stripped
from app.ml.dialect import LINES_IN_A_CELL, Dialect, broken, detect, never_closed
from app.ml.number_style import Like
from app.ml.packed import unpacked
from app.ml.rules import Rules
from app.ml.watching import Watch

CHUNK_ROWS = 1024
"""As many cells as a processor has close at hand: 4096 take a quarter longer."""
CHUNK_CELLS = 1 << 18
END = "\ue000the end of the file\ue000"
SHARE_TOLD = 0.05
TOLD_CELLS = 1_000_000
"""Read in between, at least: a second's work or so; each telling is an event on the run's page."""


Rows = TypeVar("Rows", bound=Sequence[Row])


class Table:
    """A file and how to read it.

    `misshapen`, `padded` (rows with spaces after cells) and `breaking` (rows that break a rule,
    and are left out) are known once a pass has ended.
    """

    def __init__(self, stream: BinaryIO, dialect: Dialect):
        self.dialect = dialect
        self.columns = list(dialect.columns)
        self.misshapen = self.padded = self.breaking = 0
        self.rules = Rules(dialect.rules, self.columns, dialect.decimal)
        self.last_line_cut = False
        self._packed = stream
        self._size = max(1, stream.seek(0, io.SEEK_END))
        self._stream = unpacked(stream)
        packed = dialect.encoding == parquet.ENCODING
        self._expected = parquet.count(stream) if packed else None

    @classmethod
    def open(
        cls,
        stream: BinaryIO,
        *,
        header: bool | None = None,
        target: str | None = None,
        rules: Sequence[str] = (),
        like: Like | None = None,
    ) -> Table:
        """Recognises the file; `stream` must be seekable. Raises Unreadable."""
        dialect = detect(unpacked(stream), header=header, target=target, like=like)
        return cls(stream, replace(dialect, rules=tuple(rules)))

    def chunks(self) -> Iterator[Chunk]:
        """Rows of stripped cells, each as wide as the table; from the start every time."""
        self.misshapen, self.padded, self.breaking, self.last_line_cut = 0, 0, 0, False
        for raw in self._raw():
            chunk, padded = stripped(raw)
            self.padded += padded
            if self.rules.rules:
                kept = [not self.rules.broken(row) for row in chunk]
                self.breaking += kept.count(False)
                chunk = chunk.where(kept)
            if len(chunk):
                yield chunk

    def told(self, watch: Watch, what: str) -> Iterator[Chunk]:
        """The chunks, while `watch` hears that they begin, and at most twenty times how far they are.

        A small table is read before anybody could look, and tells its beginning only.
        """
        return self._told(self.chunks(), watch, what)

    def every_row(self, watch: Watch, what: str) -> Iterator[Sequence[Row]]:
        """Rows as they are in the file, misshapen ones too, some at a time; told as by `told`."""
        batches = ([row for row in rows if not _blank(row)] for rows in self._batches())
        return self._told(batches, watch, what)

    def _told(self, parts: Iterable[Rows], watch: Watch, what: str) -> Iterator[Rows]:
        rows, told, next_ = 0, 0, SHARE_TOLD
        watch(what, 0.0)
        for part in parts:
            yield part
            rows += len(part)
            if (rows - told) * len(self.columns) < TOLD_CELLS:
                continue
            if next_ <= (share := self._share(rows)) < 1:
                watch(f"{what}: {rows:,} rows", share)
                told, next_ = rows, share + SHARE_TOLD

    def _share(self, rows: int) -> float:
        """How much of the file a pass has taken after so many rows: of its bytes, if of a text."""
        if self._expected is not None:
            return rows / max(1, self._expected)
        return self._packed.tell() / self._size

    def rows_at(self, positions: set[int]) -> dict[int, Row]:
        """The rows at these positions, counted over well-shaped rows from 0."""
        found: dict[int, Row] = {}
        start = 0
        for chunk in self.chunks():
            for position in positions.intersection(range(start, start + len(chunk))):
                found[position] = chunk[position - start]
            start += len(chunk)
            if len(found) == len(positions):
                break
        return found

    def numbered_rows(self) -> Iterator[tuple[int, Row]]:
        """Every row as it is in the file, misshapen ones too, counted from 1."""
        return enumerate((row for rows in self._batches() for row in rows if not _blank(row)), 1)

    def _raw(self) -> Iterator[Chunk]:
        """Rows of the table's width, as they are in the file."""
        width = len(self.columns)
        for rows in self._batches():
            if isinstance(rows, Chunk):
                yield rows
                continue
            if set(map(len, rows)) != {width}:
                rows = self._well_shaped(rows, width)
            else:
                self.last_line_cut = False
            if rows:
                yield Chunk(list(zip(*rows, strict=True)))

    def _well_shaped(self, rows: Sequence[Row], width: int) -> list[Row]:
        found = []
        for row in rows:
            if len(row) == width:
                found.append(row)
                self.last_line_cut = False
            elif not _blank(row):
                self.misshapen += 1
                self.last_line_cut = len(row) < width
        return found

    def _batches(self) -> Iterator[Sequence[Row]]:
        """All rows behind the header, some at a time; blank ones too."""
        size = max(1, min(CHUNK_ROWS, CHUNK_CELLS // len(self.columns)))
        if self.dialect.encoding == parquet.ENCODING:
            yield from map(Chunk, parquet.columns(self._stream, size))
            return
        self._stream.seek(0)
        # Detection decided on the encoding; a stray byte must not end a reading half way.
        text = io.TextIOWrapper(self._stream, self.dialect.encoding, errors="replace", newline="")
        lines = chain(text, [END])
        reader = csv.reader(lines, delimiter=self.dialect.delimiter, skipinitialspace=True)
        try:
            if self.dialect.header:
                next((row for row in reader if not _blank(row)), None)
            while rows := list(islice(reader, size)):
                yield _ended(rows, reader.line_num)
        except csv.Error as error:
            raise broken(error, reader.line_num) from error
        finally:
            text.detach()


def _ended(rows: list[list[str]], line: int) -> list[list[str]]:
    """Without the line that we put at the end: in the middle of a cell, it shows that a quote is open.

    A row that the file ends within loses that cell, so that it counts as cut off.
    """
    last = rows[-1]
    if last == [END]:
        return rows[:-1]
    if last and last[-1].endswith(END):
        swallowed = last[-1].count("\n")
        if swallowed > LINES_IN_A_CELL:
            raise never_closed(line - swallowed - 1)
        return [*rows[:-1], last[:-1] or [last[-1].removesuffix(END)]]
    return rows


def _blank(row: Row) -> bool:
    return not any(cell.strip() for cell in row)
