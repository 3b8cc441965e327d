"""What a model expects of a row: its columns in order, their kinds and categories, the target.

Decided at validation, used for training, evaluation and serving alike.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from app.errors import PenstockError
from app.ml.number_style import Like
from app.ml.values import MISSING, label

Task = Literal["classification", "regression"]
Kind = Literal["number", "category", "date"]


@dataclass(frozen=True)
class Feature:
    """A column that a model learns from. `optional` where it was sometimes missing; `form` is a
    date's format (see dates.py).

    `blanks` are what the training table wrote in place of a number or a date: they count as
    missing wherever the model reads. `lenient` where it wrote too many to list, and any text does.
    """

    name: str
    kind: Kind
    categories: tuple[str, ...] = ()
    optional: bool = False
    form: str = ""
    blanks: tuple[str, ...] = ()
    lenient: bool = False

    def takes(self, cell: str) -> bool:
        """Whether a cell that is no value of this kind counts as missing; else its row is bad."""
        return self.lenient or cell in MISSING or cell in self.blanks


@dataclass(frozen=True)
class Schema:
    """The features, in the order of the matrix; the target; the labels of a classification.

    `decimal` is how the training table writes numbers, `width` how many columns it has.
    """

    features: tuple[Feature, ...]
    target: str
    task: Task
    labels: tuple[str, ...] = ()
    decimal: str = "."
    width: int = 0

    @property
    def numbers(self) -> list[int]:
        return [i for i, feature in enumerate(self.features) if feature.kind != "category"]

    @property
    def categories(self) -> list[int]:
        return [i for i, feature in enumerate(self.features) if feature.kind == "category"]

    @property
    def like(self) -> Like:
        """How a file for this model is expected to write its numbers."""
        numbers = {feature.name for feature in self.features if feature.kind == "number"}
        if self.task == "regression":
            numbers.add(self.target)
        return Like(self.decimal, frozenset(numbers))

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Schema:
        features = tuple(
            Feature(
                **(
                    f
                    | {
                        "categories": tuple(f["categories"]),
                        "blanks": tuple(f.get("blanks", ())),
                    }
                )
            )
            for f in data["features"]
        )
        return cls(**(data | {"features": features, "labels": tuple(data["labels"])}))


class NoSuchColumn(PenstockError):
    """The target is neither a column's name nor a position."""


def find_column(columns: list[str], target: str) -> int:
    """A column by its exact name, or else by its position from 0."""
    if target in columns:
        return columns.index(target)
    if target.strip() in columns:
        return columns.index(target.strip())
    if target.strip().isdigit() and int(target) < len(columns):
        return int(target)
    shown = ", ".join(columns[:12]) + (", …" if len(columns) > 12 else "")
    raise NoSuchColumn(
        f"There is no column {target!r}. The {len(columns)} columns are: {shown}. "
        f"Name one of them exactly, or give its position from 0 to {len(columns) - 1}."
    )


def target_labels(values: dict[str, int]) -> dict[str, int]:
    """Counted target values under their canonical labels."""
    counted: dict[str, int] = {}
    for value, times in values.items():
        counted[label(value)] = counted.get(label(value), 0) + times
    return counted
