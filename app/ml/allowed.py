"""What may be in an artefact: a fixed list, which no file can add to.

It holds what the pipelines of `candidates.py` are made of and nothing else; a
new kind of candidate needs its types here, and a test fails until they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from app.ml.errors import UntrustedArtefact

FUNCTION = "sklearn.utils.validation.check_array"
"""The only function; histogram gradient boosting keeps a partial of it."""

NODES = frozenset(
    """
    DTypeNode DictNode FunctionNode JsonNode ListNode LossNode NdArrayNode ObjectNode PartialNode
    RandomGeneratorNode SliceNode SparseMatrixNode TupleNode TypeNode
    """.split()  # noqa: SIM905
)

TYPES = frozenset(
    f"""
    builtins.bool builtins.dict builtins.float builtins.int builtins.list builtins.slice
    builtins.str builtins.tuple
    functools.partial
    numpy.bool numpy.dtype numpy.float32 numpy.float64 numpy.int32 numpy.int64 numpy.ndarray
    numpy.random._generator.Generator numpy.uint8 numpy.uint32 numpy.uint64
    sklearn._loss._loss.CyHalfBinomialLoss
    sklearn._loss._loss.CyHalfMultinomialLoss
    sklearn._loss._loss.CyHalfSquaredError
    sklearn._loss.link.IdentityLink
    sklearn._loss.link.Interval
    sklearn._loss.link.LogitLink
    sklearn._loss.link.MultinomialLogit
    sklearn._loss.loss.HalfBinomialLoss
    sklearn._loss.loss.HalfMultinomialLoss
    sklearn._loss.loss.HalfSquaredError
    sklearn.compose._column_transformer.ColumnTransformer
    sklearn.ensemble._hist_gradient_boosting.binning._BinMapper
    sklearn.ensemble._hist_gradient_boosting.gradient_boosting.HistGradientBoostingClassifier
    sklearn.ensemble._hist_gradient_boosting.gradient_boosting.HistGradientBoostingRegressor
    sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor
    sklearn.impute._base.MissingIndicator
    sklearn.impute._base.SimpleImputer
    sklearn.linear_model._logistic.LogisticRegression
    sklearn.linear_model._ridge.Ridge
    sklearn.pipeline.Pipeline
    sklearn.preprocessing._data.StandardScaler
    sklearn.preprocessing._encoders.OneHotEncoder
    sklearn.preprocessing._encoders.OrdinalEncoder
    sklearn.preprocessing._function_transformer.FunctionTransformer
    sklearn.preprocessing._label.LabelEncoder
    {FUNCTION}
    """.split()
)


def check_types(description: Any) -> None:
    """Raises UntrustedArtefact where a skops description names anything that is not listed."""
    for node in nodes(description):
        name, loader = f"{node.get('__module__')}.{node['__class__']}", node.get("__loader__")
        if name not in TYPES:
            raise UntrustedArtefact(
                f"The artefact holds the type {name}, which is not on the list of allowed ones."
            )
        if loader not in NODES:
            raise UntrustedArtefact(f"The artefact asks for {loader} ({name}): not allowed.")
        if loader == "FunctionNode" and name != FUNCTION:
            raise UntrustedArtefact(f"The artefact uses {name} as a function: not allowed.")


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
