"""From a judged table to a model: read it, hold rows out, train on the rest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from app.ml import candidates, matrix
from app.ml.artefact import Model
from app.ml.reading import Table
from app.ml.schema import Schema
from app.ml.split import held_out
from app.ml.training import Trained, Untrainable, train
from app.ml.watching import Watch, nobody, part

READING = 0.2
"""Of the whole training, for those who watch."""


@dataclass(frozen=True)
class Built:
    """The model, how it was trained, and on how many rows.

    `held_out` is 0 where a second file is the test. `sampled_of` is how many rows the table has
    where it was too large to learn from all, else None.
    """

    model: Model
    trained: Trained
    rows: int
    held_out: int
    sampled_of: int | None = None


def build(
    table: Table,
    schema: Schema,
    *,
    split: bool = True,
    expected_rows: int = 0,
    chosen: candidates.Parameters | None = None,
    watch: Watch = nobody,
) -> Built:
    """Train on the table's rows, but for those held out (`split`)."""
    reading = part(watch, 0.0, READING)
    data = matrix.read(table, schema, expected_rows=expected_rows, watch=reading)
    held = (
        held_out(data.keys, data.target, schema.task) if split else np.zeros(len(data), dtype=bool)
    )
    learn = data.take(~held)
    if len(learn) < 2:
        raise Untrainable(f"Only {len(learn)} rows are left to train on.")
    trained = train(learn, schema, chosen, watch)
    model = Model(schema, trained.pipeline, trained.algorithm, _baseline(learn.target, schema))
    sampled_of = data.rows if len(data) < data.rows else None
    return Built(model, trained, len(learn), int(held.sum()), sampled_of)


def _baseline(target: np.ndarray, schema: Schema) -> tuple[float, ...]:
    if schema.task == "regression":
        return (float(target.mean()),)
    counts = np.bincount(target.astype(int), minlength=len(schema.labels))
    return tuple(float(share) for share in counts / counts.sum())
