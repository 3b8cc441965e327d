"""Some rows of a table, by row and by column.

What looks at every cell of a large table takes the columns, which the
interpreter's own loops go through; what wants a row takes it as from a list.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import compress
from operator import ne
from typing import overload

from app.ml.values import MISSING

Row = Sequence[str]
Column = tuple[str, ...]


class Chunk(Sequence[Row]):
    """Rows of one width; `columns` are as long as there are rows, at least one."""

    def __init__(self, columns: Sequence[Column]):
        self.columns = columns

    def __len__(self) -> int:
        return len(self.columns[0])

    def __iter__(self) -> Iterator[Row]:
        return zip(*self.columns, strict=True)

    @overload
    def __getitem__(self, place: int) -> Row: ...
    @overload
    def __getitem__(self, place: slice) -> Chunk: ...
    def __getitem__(self, place: int | slice) -> Row | Chunk:
        if isinstance(place, slice):
            return Chunk([column[place] for column in self.columns])
        return tuple(column[place] for column in self.columns)

    def where(self, mask: Sequence[object]) -> Chunk:
        """The rows for which the mask is true; this very chunk where it is so for all."""
        return self if all(mask) else Chunk([tuple(compress(c, mask)) for c in self.columns])

    def with_value(self, place: int) -> list[bool]:
        """A mask of the rows whose cell in this column isn't missing."""
        column = self.columns[place]
        if MISSING.isdisjoint(column):
            return [True] * len(column)
        return [cell not in MISSING for cell in column]


def stripped(raw: Chunk) -> tuple[Chunk, int]:
    """Without the spaces around cells, and without blank rows; how many rows had such spaces."""
    columns = [tuple(map(str.strip, column)) for column in raw.columns]
    changed = [
        list(map(ne, before, after))
        for before, after in zip(raw.columns, columns, strict=True)
        if before != after
    ]
    rows = Chunk(columns)
    if "" in columns[0]:
        filled = list(map(any, rows))
        changed = [list(compress(mask, filled)) for mask in changed]
        rows = rows.where(filled)
    return rows, sum(map(any, zip(*changed, strict=True)))
