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
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from app.ml.canonical import canonical, zipped
from app.ml.errors import UntrustedArtefact
from app.ml.schema import Schema

FORMAT = 1
MOST_BYTES = 2 << 30

ALLOWED_NODES = frozenset(
    ["DTypeNode", "DictNode", "FunctionNode", "JsonNode", "ListNode", "LossNode", "NdArrayNode", "ObjectNode", "PartialNode", "RandomGeneratorNode", "SliceNode", "SparseMatrixNode", "TupleNode", "TypeNode"]
)
_BOOSTING = "sklearn.ensemble._hist_gradient_boosting"
ALLOWED_TYPES = frozenset(
    [
        *(f"builtins.{name}" for name in ["dict", "list", "tuple", "str", "int", "float", "bool", "slice"]),
        "functools.partial",  # only of check_array, inside histogram gradient boosting
        *(
            f"numpy.{name}"
            for name in ["dtype", "float32", "float64", "int32", "int64", "uint8", "uint32", "uint64", "bool", "ndarray"]
        ),
        "numpy.random._generator.Generator",
        *(
            f"sklearn._loss._loss.CyHalf{name}"
            for name in ["BinomialLoss", "MultinomialLoss", "SquaredError"]
        ),
        *(
            f"sklearn._loss.loss.Half{name}"
            for name in ["BinomialLoss", "MultinomialLoss", "SquaredError"]
        ),
        *(
            f"sklearn._loss.link.{name}"
            for name in ["IdentityLink", "Interval", "LogitLink", "MultinomialLogit"]
        ),
        "sklearn.compose._column_transformer.ColumnTransformer",
        f"{_BOOSTING}.binning._BinMapper",
        f"{_BOOSTING}.gradient_boosting.HistGradientBoostingClassifier",
        f"{_BOOSTING}.gradient_boosting.HistGradientBoostingRegressor",
        f"{_BOOSTING}.predictor.TreePredictor",
        "sklearn.impute._base.MissingIndicator",
        "sklearn.impute._base.SimpleImputer",
        "sklearn.linear_model._logistic.LogisticRegression",
        "sklearn.linear_model._ridge.Ridge",
        "sklearn.pipeline.Pipeline",
        "sklearn.preprocessing._data.StandardScaler",
        "sklearn.preprocessing._encoders.OneHotEncoder",
        "sklearn.preprocessing._encoders.OrdinalEncoder",
        "sklearn.preprocessing._function_transformer.FunctionTransformer",
        "sklearn.preprocessing._label.LabelEncoder",
        "sklearn.utils.validation.check_array",
    ]
)


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
    """The model; raises UntrustedArtefact where the bytes are damaged or name a type that isn't allowed."""
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

    pipeline = skops.io.loads(inner, trusted=sorted(ALLOWED_TYPES))
    return Model(
        Schema.from_dict(facts["schema"]), pipeline, facts["algorithm"], tuple(facts["baseline"])
    )


def _check_size(archive: zipfile.ZipFile) -> None:
    if sum(entry.file_size for entry in archive.infolist()) > MOST_BYTES:
        raise UntrustedArtefact(f"The artefact would unpack to more than {MOST_BYTES >> 30} GiB.")


def _check_types(inner: bytes) -> None:
    with zipfile.ZipFile(io.BytesIO(inner)) as archive:
        _check_size(archive)
        description = json.loads(archive.read("schema.json"))
    for node in nodes(description):
        name, loader = f"{node.get('__module__')}.{node['__class__']}", node.get("__loader__")
        if name not in ALLOWED_TYPES:
            raise UntrustedArtefact(
                f"The artefact holds the type {name}, which is not on the list of allowed ones."
            )
        if loader not in ALLOWED_NODES:
            raise UntrustedArtefact(
                f"The artefact asks for {loader} ({name}), which is not allowed."
            )
        if loader == "FunctionNode" and _function(node) != "sklearn.utils.validation.check_array":
            raise UntrustedArtefact(
                f"The artefact holds the function {_function(node)}, which is not allowed."
            )


def _function(node: dict[str, Any]) -> str:
    content = node.get("content")
    if isinstance(content, dict) and "function" in content:
        return f"{content.get('module_path')}.{content['function']}"
    return f"{node.get('__module__')}.{node['__class__']}"


def nodes(part: Any) -> Iterator[dict[str, Any]]:
    """Every object described in a skops file."""
    waiting = [part]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            if "__class__" in part:
                yield part
            waiting.extend(part.values())
        elif isinstance(part, list):
            waiting.extend(part)
