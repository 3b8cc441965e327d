"""Lines of CSV whose cells stay text in whatever program opens them.

A spreadsheet runs a cell that begins like a formula, and what we write holds
what strangers typed: such a cell gets an apostrophe before it. Numbers, of any
country's spelling, stay as they are, since people go on computing with them.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_NUMBER = re.compile(r"[+-]?\d[\d.,'\u00a0\u202f ]*([eE][+-]?\d+)?%?|-+|[+-]?[.,]\d+")


def as_text(cell: str) -> str:
    """The cell, harmless: an apostrophe stands before what would be computed."""
    if cell.lstrip(" ").startswith(FORMULA) and not _NUMBER.fullmatch(cell.strip(" ")):
        return f"'{cell}"
    return cell


def line(cells: Iterable[str]) -> str:
    """One line, with its end."""
    out = io.StringIO()
    csv.writer(out).writerow(map(as_text, cells))
    return out.getvalue()
