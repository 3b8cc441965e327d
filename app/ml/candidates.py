"""The two kinds of model that are tried on every table: a linear one and boosted trees.

Each is a scikit-learn pipeline over the matrix of `matrix.py`, preprocessing
included, so that what is trained is what is served.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from app.ml.schema import Schema

SEED = 20260101

Parameters = dict[str, dict[str, Any]]

DEFAULTS: Parameters = {
    "logistic": {"C": 1.0, "max_iter": 400},
    "ridge": {"alpha": 1.0},
    "boosting": {
        "learning_rate": 0.1,
        "max_iter": 150,
        "max_leaf_nodes": 31,
        "l2_regularization": 1.0,
    },
}


def names(schema: Schema) -> list[str]:
    return ["logistic" if schema.task == "classification" else "ridge", "boosting"]


def parameters(schema: Schema, chosen: Parameters | None = None) -> Parameters:
    """What each candidate is built with; the author's choice over the defaults."""
    found = {name: DEFAULTS[name] | (chosen or {}).get(name, {}) for name in names(schema)}
    if len(schema.labels) > 2 and not (chosen or {}).get("boosting"):
        # A tree for each class and round: fewer, faster rounds for many classes.
        found["boosting"] |= {"max_iter": max(20, 600 // len(schema.labels)), "learning_rate": 0.15}
    return found


def build(name: str, schema: Schema, values: dict[str, Any], seed: int = SEED) -> Any:
    """An unfitted scikit-learn pipeline."""
    builders: dict[str, Callable[..., Any]] = {
        "logistic": _linear,
        "ridge": _linear,
        "boosting": _boosting,
    }
    return builders[name](name, schema, values, seed)


def _linear(name: str, schema: Schema, values: dict[str, Any], seed: int) -> Any:
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.pipeline import Pipeline

    estimator = (
        LogisticRegression(random_state=seed, **values) if name == "logistic" else Ridge(**values)
    )
    return Pipeline([("prepare", _prepare(schema)), ("model", estimator)])


def _prepare(schema: Schema) -> Any:
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    numbers = Pipeline(
        [
            (
                "impute",
                SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True),
            ),
            ("scale", StandardScaler()),
        ]
    )
    categories = OneHotEncoder(handle_unknown="ignore", sparse_output=True)
    parts = [("numbers", numbers, schema.numbers), ("categories", categories, schema.categories)]
    return ColumnTransformer([part for part in parts if part[2]], sparse_threshold=0.3)


def _boosting(name: str, schema: Schema, values: dict[str, Any], seed: int) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
    from sklearn.pipeline import Pipeline

    kind = (
        HistGradientBoostingClassifier
        if schema.task == "classification"
        else HistGradientBoostingRegressor
    )
    # It handles missing values (NaN) and unknown categories (-1) by itself.
    return Pipeline(
        [
            (
                "model",
                kind(categorical_features=schema.categories or None, random_state=seed, **values),
            )
        ]
    )
