"""Predictions for rows given as mappings, as they come by HTTP or in an event.

A row that can't be scored is told apart and told why; the others are scored.
Missing values and unknown categories are treated as in training, and so is what
the training table wrote in place of a number (`Feature.blanks`). A value that
training never saw missing has to be sent as null on purpose.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from app.ml.artefact import Model
from app.ml.dates import day_number
from app.ml.matrix import Codes
from app.ml.schema import Feature
from app.ml.training import predict
from app.ml.values import finite, number

NAN = float("nan")


@dataclass(frozen=True)
class RowProblem:
    """Why a row, counted from 0, can't be scored."""

    row: int
    problem: str

    def to_dict(self) -> dict[str, Any]:
        return {"row": self.row, "problem": self.problem}


class Scorer:
    """A model made ready for rows. Safe to share between threads.

    Numbers that come as text are spelled as in the table that it was trained on, or plainly; or
    as a file does whose `decimal` sign is known.
    """

    def __init__(self, model: Model, decimal: str | None = None):
        self.model = model
        styles = (model.schema.decimal, ".") if decimal is None else (decimal,)
        self._names = [feature.name for feature in model.schema.features]
        self._readers = [_reader(feature, styles) for feature in model.schema.features]

    def score(self, rows: Sequence[Any]) -> tuple[list[dict[str, Any] | None], list[RowProblem]]:
        """A prediction for each row, None where there is a problem, and the problems."""
        encoded: list[list[float]] = []
        places: list[int] = []
        problems: list[RowProblem] = []
        for i, row in enumerate(rows):
            try:
                encoded.append(self._encode(row))
                places.append(i)
            except ValueError as error:
                problems.append(RowProblem(i, str(error)))
        predictions: list[dict[str, Any] | None] = [None] * len(rows)
        if encoded:
            matrix = np.asarray(encoded, dtype=np.float32)
            for i, found in zip(places, self.predict(matrix), strict=True):
                predictions[i] = found
        return predictions, problems

    def predict(self, matrix: np.ndarray) -> list[dict[str, Any]]:
        """Predictions for rows that are a matrix already."""
        found = predict(self.model.pipeline, matrix, self.model.schema)
        if self.model.task == "regression":
            return [{"value": float(value)} for value in found]
        labels = self.model.labels
        return [
            {"value": labels[best], "probabilities": dict(zip(labels, row, strict=True))}
            for best, row in zip(
                found.argmax(axis=1).tolist(), found.round(6).tolist(), strict=True
            )
        ]

    def _encode(self, row: Any) -> list[float]:
        if not isinstance(row, Mapping):
            raise ValueError(
                f"a row is an object of column names and values, not {type(row).__name__}"
            )
        try:
            return [read(row) for read in self._readers]
        except KeyError:
            raise ValueError(self._absent(row)) from None

    def _absent(self, row: Mapping[str, Any]) -> str:
        """Names what is absent; a name that was probably meant is shown beside it."""
        needed = [
            f.name for f in self.model.schema.features if f.name not in row and not f.optional
        ]
        shown = ", ".join(map(repr, needed[:5])) + (", …" if len(needed) > 5 else "")
        unknown = [name for name in row if isinstance(name, str) and name not in self._names]
        close = difflib.get_close_matches(needed[0], unknown[:1000], 1) if len(needed) == 1 else []
        hint = f" (is {close[0]!r} meant for it?)" if close else ""
        noun = "column" if len(needed) == 1 else "columns"
        return f"{noun} {shown} not given{hint}; send null for a value that isn't known"


def _reader(feature: Feature, styles: Sequence[str]) -> Any:
    """A function from a row to this feature's number; KeyError where it is absent and needed."""
    name, optional = feature.name, feature.optional
    makers = {"number": _to_number, "date": _to_days, "category": _to_code}
    convert = makers[feature.kind](feature, styles)

    def read(row: Mapping[str, Any]) -> float:
        if name not in row:
            if optional:
                return NAN
            raise KeyError(name)
        value = row[name]
        return NAN if value is None else convert(value)

    return read


def _to_number(feature: Feature, styles: Sequence[str]) -> Any:
    first, *others = styles

    def convert(value: Any) -> float:
        if isinstance(value, str):
            text = value.strip()
            found = number(text, first)
            if found is None and text in feature.blanks:
                return NAN
            for style in others:
                found = number(text, style) if found is None else found
            if found is None and feature.takes(text):
                return NAN
        elif isinstance(value, (int, float)):
            found = _finite(value)
        else:
            found = None
        if found is None:
            raise ValueError(
                f"column {feature.name!r} should be a number, and {_short(value)} is not one"
            )
        return found

    return convert


def _to_days(feature: Feature, styles: Sequence[str]) -> Any:
    def convert(value: Any) -> float:
        text = value.strip() if isinstance(value, str) else ""
        found = day_number(text, feature.form)
        if found is None and text in feature.blanks:
            return NAN
        if found is None and len(styles) > 1:
            found = day_number(text, "year-month-day")
        if found is None and isinstance(value, str) and feature.takes(text):
            return NAN
        if found is None:
            raise ValueError(
                f"column {feature.name!r} should be a date ({feature.form}), and {_short(value)} "
                "is not one"
            )
        return found

    return convert


def _to_code(feature: Feature, _styles: Sequence[str]) -> Any:
    codes = Codes(feature.categories)

    def convert(value: Any) -> float:
        if isinstance(value, bool):
            return next((codes[t] for t in (str(value), str(value).lower()) if codes[t] >= 0), -1.0)
        if isinstance(value, float) and value.is_integer():
            value = next((t for t in (str(value), str(int(value))) if codes[t] >= 0), str(value))
        if not isinstance(value, (str, int, float)):
            raise ValueError(f"column {feature.name!r} should be text, and {_short(value)} is not")
        return codes[str(value).strip()]

    return convert


def _finite(value: float) -> float | None:
    """An integer of a thousand digits is no number for a model."""
    try:
        return finite(float(value))
    except OverflowError:
        return None


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…"
