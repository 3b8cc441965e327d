"""Rows of text as a float32 matrix, in the order of a schema's features.

Numbers are numbers, a category is its index, -1 where it isn't known, and NaN
is missing everywhere. The same function serves training, evaluation and
prediction; a data frame would cost ten times the prediction.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
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
    these may be a sample; `bad` rows among them hold what the model would refuse to score."""

    matrix: np.ndarray
    target: np.ndarray
    keys: np.ndarray
    positions: np.ndarray
    rows: int
    bad: int = 0

    def take(self, mask: np.ndarray) -> Data:
        return replace(
            self,
            matrix=self.matrix[mask],
            target=self.target[mask],
            keys=self.keys[mask],
            positions=self.positions[mask],
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
    """Every row of the table that has a target, but for those that the model would refuse to score:
    the training table has none of them. Raises Incompatible where a column is absent.
    """
    places = feature_positions(table.columns, schema)
    target_place = find_column(table.columns, schema.target)
    converters = [converter(feature, table.dialect.decimal) for feature in schema.features]
    keep = kept_share(expected_rows, len(places), most_cells)
    found = _Growing(min(expected_rows, int(most_cells / max(1, len(places))) + 1), len(places))
    rows = start = bad = 0
    for chunk in table.told(watch, "reading the table"):
        with_target = np.asarray(chunk.with_value(target_place))
        chosen = chunk.where(with_target.tolist())
        positions = start + np.flatnonzero(with_target)
        start, rows = start + len(chunk), rows + len(chosen)
        if not len(chosen):
            continue
        keys = row_keys([chosen.columns[place] for place in places])
        if keep < 1:
            kept = _thinned(keys, keep)
            chosen, keys, positions = chosen.where(kept.tolist()), keys[kept], positions[kept]
        target = _targets(chosen.columns[target_place], schema, table.dialect.decimal)
        matrix = _matrix(chosen.columns, places, converters)
        refused = _refused(chosen.columns, places, schema, matrix)
        if refused:
            bad += len(refused)
            found.add(*(np.delete(a, refused, axis=0) for a in (matrix, target, keys, positions)))
        else:
            found.add(matrix, target, keys, positions)
    matrix, target, keys, positions = found.arrays()
    return Data(matrix, target, keys, positions, rows, bad)


def _refused(
    columns: Sequence[Sequence[str]], places: Sequence[int], schema: Schema, matrix: np.ndarray
) -> list[int]:
    """The rows with a cell that is neither a value of its kind nor missing."""
    found: set[int] = set()
    for i, (feature, place) in enumerate(zip(schema.features, places, strict=True)):
        if feature.kind == "category" or feature.lenient:
            continue
        cells = columns[place]
        missing = np.flatnonzero(np.isnan(matrix[:, i])).tolist()
        found.update(row for row in missing if not feature.takes(cells[row]))
    return sorted(found)


class _Growing:
    """The four arrays of `Data`, with room for the rows that are expected: not made twice."""

    def __init__(self, room: int, features: int):
        self._rows = 0
        self._arrays: list[np.ndarray] = [
            np.empty((room, features), np.float32),
            np.empty(room, np.float64),
            np.empty(room, np.uint64),
            np.empty(room, np.int64),
        ]

    def add(self, *parts: np.ndarray) -> None:
        begin, self._rows = self._rows, self._rows + len(parts[0])
        room = len(self._arrays[0])
        if self._rows > room:
            room = max(self._rows, room + room // 4)
            self._arrays = [_resized(array, room) for array in self._arrays]
        for array, part in zip(self._arrays, parts, strict=True):
            array[begin : self._rows] = part

    def arrays(self) -> list[np.ndarray]:
        return [array[: self._rows] for array in self._arrays]


def _resized(array: np.ndarray, room: int) -> np.ndarray:
    larger = np.empty((room, *array.shape[1:]), array.dtype)
    larger[: len(array)] = array
    return larger


def feature_positions(columns: Sequence[str], schema: Schema) -> list[int]:
    """Where each feature is in the table; raises Incompatible."""
    known = {name: i for i, name in reversed(list(enumerate(columns)))}
    absent = [feature.name for feature in schema.features if feature.name not in known]
    if absent:
        raise Incompatible(
            f"The table has no column {', '.join(map(repr, absent[:5]))}, which the model needs."
        )
    return [known[feature.name] for feature in schema.features]


def row_keys(columns: Sequence[Sequence[str]]) -> np.ndarray:
    """A 64-bit hash of each row of these columns, the same in every process and version."""
    texts = map(str.encode, map("\x1f".join, zip(*columns, strict=True)))
    digests = b"".join([blake2b(text, digest_size=8).digest() for text in texts])
    return np.frombuffer(digests, dtype="<u8").astype(np.uint64)


def kept_share(rows: int, features: int, most_cells: int = MOST_CELLS) -> float:
    """How much of a table is learned from: less than 1 where it is too large for a matrix."""
    return min(1.0, most_cells / max(1, rows * features))


def _thinned(keys: np.ndarray, keep: float) -> np.ndarray:
    """A sample by the hashes' low bits; the split into held-out rows looks at the high ones."""
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
    """The matrix of the rows at these ascending positions, whatever their target; what this model
    would refuse to score is missing."""
    places = feature_positions(table.columns, schema)
    converters = [converter(feature, table.dialect.decimal) for feature in schema.features]
    parts, start = [np.empty((0, len(places)), np.float32)], 0
    for chunk in table.chunks():
        low, high = np.searchsorted(positions, [start, start + len(chunk)])
        wanted = [chunk[int(p) - start] for p in positions[low:high]]
        if wanted:
            parts.append(_matrix(list(zip(*wanted, strict=True)), places, converters))
        start += len(chunk)
    return np.concatenate(parts)


def _matrix(
    columns: Sequence[Sequence[str]], places: Sequence[int], converters: Sequence[Converter]
) -> np.ndarray:
    matrix = np.empty((len(columns[0]), len(places)), dtype=np.float32)
    for i, (place, convert) in enumerate(zip(places, converters, strict=True)):
        matrix[:, i] = convert(columns[place])
    return matrix
