"""A trained model and its written form: a ZIP of `model.json` and a skops file.

Pickle is never used: it runs whatever the file says. skops builds objects from
a description, and here only from types on a fixed list; a file that names any
other type is refused by that name before anything of it is built. The same
model gives the same bytes, so an artefact's hash names the model.
"""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import dataclass
from typing import Any

import numpy as np

from app.ml.allowed import TYPES, check_types
from app.ml.canonical import canonical, zipped
from app.ml.errors import UntrustedArtefact
from app.ml.schema import Schema

FORMAT = 1
MOST_BYTES = 2 << 30


@dataclass(frozen=True)
class Model:
    """A fitted pipeline, the schema of its rows, and the baseline learned from the same rows:
    the classes' shares, or the mean."""

    schema: Schema
    pipeline: Any
    algorithm: str
    baseline: tuple[float, ...]

    @property
    def task(self) -> str:
        return self.schema.task

    @property
    def labels(self) -> tuple[str, ...]:
        return self.schema.labels

    def baseline_predictions(self, rows: int) -> np.ndarray:
        """What somebody would say who knows the training targets and looks at no row."""
        if self.task == "regression":
            return np.full(rows, self.baseline[0])
        return np.tile(np.asarray(self.baseline), (rows, 1))


def dump(model: Model) -> bytes:
    """The artefact's bytes."""
    import skops.io

    facts = {
        "format": FORMAT,
        "algorithm": model.algorithm,
        "baseline": list(model.baseline),
        "schema": model.schema.to_dict(),
    }
    inner = canonical(skops.io.dumps(model.pipeline))
    return zipped(
        {"model.json": json.dumps(facts, indent=1).encode(), "pipeline.skops": inner}, packed=False
    )


def load(data: bytes) -> Model:
    """The model. Raises UntrustedArtefact where bytes are damaged or a type isn't allowed."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            _check_size(archive)
            facts = json.loads(archive.read("model.json"))
            inner = archive.read("pipeline.skops")
        if facts["format"] != FORMAT:
            raise UntrustedArtefact(
                f"The artefact has format {facts['format']}, and this version reads {FORMAT} only."
            )
        _check_types(inner)
    except (zipfile.BadZipFile, KeyError, ValueError, TypeError) as error:
        raise UntrustedArtefact(
            f"The artefact is damaged ({type(error).__name__}: {error}). Train it again."
        ) from error
    import skops.io

    pipeline = skops.io.loads(inner, trusted=sorted(TYPES))
    return Model(
        Schema.from_dict(facts["schema"]), pipeline, facts["algorithm"], tuple(facts["baseline"])
    )


def _check_size(archive: zipfile.ZipFile) -> None:
    if sum(entry.file_size for entry in archive.infolist()) > MOST_BYTES:
        raise UntrustedArtefact(f"The artefact would unpack to more than {MOST_BYTES >> 30} GiB.")


def _check_types(inner: bytes) -> None:
    with zipfile.ZipFile(io.BytesIO(inner)) as archive:
        _check_size(archive)
        check_types(json.loads(archive.read("schema.json")))
