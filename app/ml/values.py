"""What a cell says: missing, a number, or text. The same for training and for serving."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

MISSING = frozenset(
    [
        "",
        "?",
        "-",
        "--",
        "NA",
        "N/A",
        "n/a",
        "na",
        "#N/A",
        "NaN",
        "nan",
        "NULL",
        "null",
        "None",
        "none",
        ".",
    ]
)
LARGEST = 3.4e38
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\Z")
_NUMERIC = re.compile(r"[0-9.eE+\-]*\Z")
_COMMA_NUMBER = re.compile(r"[+-]?(\d+,?\d*|,\d+)([eE][+-]?\d+)?\Z")


SPACES = " \u00a0\u202f"
_GROUPED = {
    style: re.compile(rf"[+-]?[1-9]\d{{0,2}}(?:[{between}]\d{{3}})+(?:[{style[0]}]\d*)?\Z")
    for style in (".,", ",.", ". ", ", ", ".'", ",'")
    for between in [SPACES if style[1] == " " else style[1]]
}


def is_grouped(cell: str, style: str) -> bool:
    """Whether its thousands are set apart: `style` is the decimal sign and the one between them."""
    return bool(_GROUPED[style].match(cell))


def ungrouped(cell: str, style: str) -> str:
    """The cell without the signs between thousands."""
    if not is_grouped(cell, style):
        return cell
    for sign in SPACES if style[1] == " " else style[1]:
        cell = cell.replace(sign, "")
    return cell


def number(cell: str, decimal: str = ".") -> float | None:
    """The cell as a number that a model can compute with, or None.

    `decimal` is the decimal sign, or that and the one between thousands: `.` or `.,`.
    A pattern, because `float` also takes `1_000`, `infinity` and the digits of
    other scripts, which in a table are text.
    """
    if len(decimal) > 1:
        cell, decimal = ungrouped(cell, decimal), decimal[0]
    pattern = _NUMBER if decimal == "." else _COMMA_NUMBER
    if not cell.isascii() or not pattern.match(cell):
        return None
    return finite(float(cell if decimal == "." else cell.replace(",", ".")))


def finite(value: float) -> float | None:
    """The value, or None where float32, which models compute with, can't hold it."""
    return value if abs(value) <= LARGEST else None


def numbers(cells: Sequence[str], decimal: str = ".") -> np.ndarray:
    """Cells as float64, NaN for what is missing or no number; equal to `number` one by one.

    Most columns hold only numbers, and those are read by the interpreter's own loops.
    """
    if len(decimal) > 1:
        plain = {cell: ungrouped(cell, decimal) for cell in set(cells)}
        cells, decimal = [plain[cell] for cell in cells], decimal[0]
    if decimal == "," and not any("." in cell for cell in cells):
        cells, decimal = [cell.replace(",", ".") for cell in cells], "."
    if decimal == ".":
        found = _only_numbers(cells)
        if found is not None:
            return found
        if not MISSING.isdisjoint(cells):
            present = [i for i, cell in enumerate(cells) if cell not in MISSING]
            some = _only_numbers([cells[i] for i in present])
            if some is not None:
                found = np.full(len(cells), np.nan)
                found[present] = some
                return found
    distinct = set(cells)
    like = list(filter((_NUMBER if decimal == "." else _COMMA_NUMBER).match, distinct))
    if not like:
        return np.full(len(cells), np.nan)
    each = dict.fromkeys(distinct) | {cell: number(cell, decimal) for cell in like}
    return np.asarray([each[cell] for cell in cells], dtype=np.float64)


def _only_numbers(cells: Sequence[str]) -> np.ndarray | None:
    """None where a cell is anything that `number` wouldn't take."""
    # With these characters alone, what `float` takes is what the pattern of `number` takes.
    if not _NUMERIC.match("".join(cells)):
        return None
    try:
        found = np.fromiter(map(float, cells), np.float64, len(cells))
    except ValueError:
        return None
    return found if not len(found) or np.abs(found).max() <= LARGEST else None


def label(cell: str) -> str:
    """A class label's canonical spelling: no trailing dot, and `7.0` is `7`."""
    cell = cell.rstrip(".").rstrip() or cell
    if cell.endswith(".0") and cell[:-2].lstrip("+-").isdigit():
        return cell[:-2]
    return cell


def in_order(labels: list[str]) -> list[str]:
    """Labels sorted as numbers where all of them are, else as text."""
    numbers = {text: number(text) for text in labels}
    if all(value is not None for value in numbers.values()):
        return sorted(labels, key=lambda text: (numbers[text], text))
    return sorted(labels)
