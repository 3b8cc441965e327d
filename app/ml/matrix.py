"""Rows of text as a float32 matrix, in the order of a schema's features.

Numbers are numbers, a category is its index, -1 where it isn't known, and NaN
is missing everywhere. The same function serves training, evaluation and
prediction; a data frame would cost ten times the prediction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b

import numpy as np

from app.ml.dates import day_number
from app.ml.errors import Incompatible
from app.ml.labels import Labels
from app.ml.reading import Table
from app.ml.schema import Feature, Schema, find_column
from app.ml.values import MISSING, numbers
from app.ml.watching import Watch, nobody

MOST_CELLS = 60_000_000
"""Larger tables are thinned to this many cells (240 MB), by their rows' hashes."""
UNKNOWN_LABEL = -1


@dataclass(frozen=True)
class Data:
    """A table as arrays: `matrix` (rows, features); `target` float64 (values, or codes of labels);
    `keys`, a hash of each row's features; `positions` in the file. `rows` had a target, of which
    these may be a sample."""

    matrix: np.ndarray
    target: np.ndarray
    keys: np.ndarray
    positions: np.ndarray
    rows: int

    def take(self, mask: np.ndarray) -> Data:
        return Data(
            self.matrix[mask], self.target[mask], self.keys[mask], self.positions[mask], self.rows
        )

    def __len__(self) -> int:
        return len(self.target)


class Codes(dict[str, float]):
    """Cells to the indexes of their categories."""

    def __init__(self, categories: tuple[str, ...]):
        super().__init__({text: float(i) for i, text in enumerate(categories)})

    def __missing__(self, cell: str) -> float:
        return float("nan") if cell in MISSING else -1.0


Converter = Callable[[Sequence[str]], "np.ndarray | list[float]"]


def converter(feature: Feature, decimal: str) -> Converter:
    """A function from a column's stripped cells to numbers of the matrix."""
    if feature.kind == "number":
        return partial(numbers, decimal=decimal)
    if feature.kind == "date":
        return partial(_days, form=feature.form)
    codes = Codes(feature.categories)
    return lambda cells: [codes[cell] for cell in cells]


def _days(cells: Sequence[str], form: str) -> np.ndarray:
    each = {cell: day_number(cell, form) for cell in set(cells)}
    return np.asarray([each[cell] for cell in cells], dtype=np.float64)


def read(
    table: Table,
    schema: Schema,
    *,
    most_cells: int = MOST_CELLS,
    expected_rows: int = 0,
    watch: Watch = nobody,
) -> Data:
    """Every row of the table that has a target. Raises Incompatible where a column is absent."""
    places = feature_positions(table.columns, schema)
    target_place = find_column(table.columns, schema.target)
    converters = [converter(feature, table.dialect.decimal) for feature in schema.features]
    keep = kept_share(expected_rows, len(places), most_cells)
    parts: list[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]] = []
    rows = start = 0
    for chunk in table.told(watch, "reading the table"):
        with_target = [i for i, row in enumerate(chunk) if row[target_place] not in MISSING]
        rows += len(with_target)
        keys = row_keys([chunk[i] for i in with_target], places)
        kept = np.flatnonzero(_thinned(keys, keep))
        picked = [chunk[with_target[i]] for i in kept]
        columns = list(zip(*picked, strict=True)) or [()] * len(table.columns)
        matrix = _matrix(columns, places, converters)
        positions = np.asarray([start + with_target[i] for i in kept], dtype=np.int64)
        parts.append(
            (
                matrix,
                _targets(columns[target_place], schema, table.dialect.decimal),
                keys[kept],
                positions,
            )
        )
        start += len(chunk)
    empty = (
        np.empty((0, len(places)), np.float32),
        np.empty(0),
        np.empty(0, np.uint64),
        np.empty(0, np.int64),
    )
    matrix, target, keys, positions = (
        np.concatenate(part) for part in zip(empty, *parts, strict=True)
    )
    return Data(matrix, target, keys, positions, rows)


def feature_positions(columns: Sequence[str], schema: Schema) -> list[int]:
    """Where each feature is in the table; raises Incompatible."""
    known = {name: i for i, name in reversed(list(enumerate(columns)))}
    absent = [feature.name for feature in schema.features if feature.name not in known]
    if absent:
        raise Incompatible(
            f"The table has no column {', '.join(map(repr, absent[:5]))}, which the model needs."
        )
    return [known[feature.name] for feature in schema.features]


def row_keys(rows: Iterable[Sequence[str]], places: Sequence[int]) -> np.ndarray:
    """A 64-bit hash of each row's features, the same in every process and version."""
    digests = b"".join(
        blake2b("\x1f".join([row[i] for i in places]).encode(), digest_size=8).digest()
        for row in rows
    )
    return np.frombuffer(digests, dtype="<u8").astype(np.uint64)


def kept_share(rows: int, features: int, most_cells: int = MOST_CELLS) -> float:
    """How much of a table is learned from: less than 1 where it is too large for a matrix."""
    return min(1.0, most_cells / max(1, rows * features))


def _thinned(keys: np.ndarray, keep: float) -> np.ndarray:
    """A sample by the hashes' low bits; the split into held-out rows looks at the high ones."""
    if keep >= 1:
        return np.ones(len(keys), dtype=bool)
    return (keys & np.uint64(0xFFFFFF)) < np.uint64(int(keep * 0x1000000))


def _targets(cells: Sequence[str], schema: Schema, decimal: str) -> np.ndarray:
    if schema.task == "regression":
        return numbers(cells, decimal)
    labels = Labels(schema.labels)
    codes = {cell: labels.code(cell) for cell in set(cells)}
    return np.asarray(
        [UNKNOWN_LABEL if codes[cell] is None else codes[cell] for cell in cells], dtype=np.float64
    )


def read_at(table: Table, schema: Schema, positions: np.ndarray) -> np.ndarray:
    """The matrix of the rows at these ascending positions, whatever their target."""
    places = feature_positions(table.columns, schema)
    converters = [converter(feature, table.dialect.decimal) for feature in schema.features]
    parts, start = [np.empty((0, len(places)), np.float32)], 0
    for chunk in table.chunks():
        low, high = np.searchsorted(positions, [start, start + len(chunk)])
        wanted = [chunk[int(p) - start] for p in positions[low:high]]
        if wanted:
            columns = list(zip(*wanted, strict=True))
            parts.append(_matrix(columns, places, converters))
        start += len(chunk)
    return np.concatenate(parts)


def _matrix(
    columns: Sequence[Sequence[str]], places: Sequence[int], converters: Sequence[Converter]
) -> np.ndarray:
    rows = len(columns[0]) if columns else 0
    matrix = np.empty((rows, len(places)), dtype=np.float32)
    for i, (place, convert) in enumerate(zip(places, converters, strict=True)):
        matrix[:, i] = convert(columns[place])
    return matrix
