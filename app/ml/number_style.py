"""How a table writes its numbers: the decimal sign, and the one between thousands.

`1,5`, `1.234,50` and `1 234.5` are told from a sample of cells. Where a cell may
be either of two numbers (`1.234`), other cells decide, or a table that this one
should be like.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from app.ml.values import is_grouped, number

_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+\Z")


@dataclass(frozen=True)
class Like:
    """A table that this one should be like: how it writes numbers, and in which columns.

    `1.234` may be either of two numbers. So its style holds, unless a number of this file can't be
    read by it.
    """

    style: str
    numbers: frozenset[str]

    def style_for(self, columns: Sequence[str], rows: list[list[str]], delimiter: str) -> str:
        places = [i for i, name in enumerate(columns) if name in self.numbers]
        some = [[row[i] for i in places] for row in rows if len(row) == len(columns)]
        own = number_style(some, delimiter)
        cells = {cell for row in some for cell in row}
        contradicts = any(
            number(cell, self.style) is None and number(cell, own) is not None for cell in cells
        )
        return own if contradicts else self.style


def number_style(rows: list[list[str]], delimiter: str) -> str:
    """The decimal sign, and the sign between thousands where there is one: `.`, `,`, `.,`, …"""
    cells = {cell for row in rows for cell in row if cell[-1:].isdigit()}
    commas = {
        cell
        for cell in cells
        if _DECIMAL_COMMA.match(cell) or ("," in cell and is_grouped(cell, ",."))
    }
    grouped = {cell for cell in cells if is_grouped(cell, ".,")}
    points = {cell for cell in cells if "." in cell and number(cell) is not None}
    # In `1,234` the comma may be either. Where commas separate cells it is between thousands.
    sure = any(cell.count(",") > 1 or "." in cell for cell in grouped)
    if commas <= grouped and grouped and (delimiter == "," or sure):
        return ".,"
    decimal = "," if len(commas) > len(points - _in_groups(points)) and commas else "."
    if decimal == "," and any(is_grouped(cell, ",.") for cell in cells):
        return ",."
    for sign in ("'", " "):
        if any(is_grouped(cell, decimal + sign) for cell in cells):
            return decimal + sign
    return decimal


def _in_groups(cells: set[str]) -> set[str]:
    """Those whose points may be between thousands."""
    return {cell for cell in cells if is_grouped(cell, ",.")}
