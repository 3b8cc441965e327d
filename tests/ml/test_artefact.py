"""Artefacts are loaded from a fixed list of types, or not at all."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skops.io
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from app.ml import artefact, candidates, training
from app.ml.artefact import Model
from app.ml.canonical import zipped
from app.ml.check import check
from app.ml.errors import UntrustedArtefact
from app.ml.schema import Feature, Schema
from app.ml.scoring import Scorer

NUMBER, TEXT = Feature("n", "number", optional=True), Feature("c", "category", ("a", "b", "c"))
SCHEMAS = [
    Schema(features, "y", task, labels)
    for features in ((NUMBER,), (TEXT,), (NUMBER, TEXT))
    for task, labels in (
        ("classification", ("0", "1")),
        ("classification", ("0", "1", "2")),
        ("regression", ()),
    )
]


def fitted(schema: Schema, name: str) -> Model:
    chance = np.random.default_rng(3)
    columns = {
        "n": np.where(chance.random(120) < 0.1, np.nan, chance.normal(size=120)),
        "c": chance.integers(-1, 3, 120).astype(float),
    }
    rows = np.column_stack([columns[f.name] for f in schema.features]).astype(np.float32)
    target = chance.integers(0, max(2, len(schema.labels)), 120) * 1.0
    values = candidates.parameters(schema, {"boosting": {"max_iter": 5}})[name]
    pipeline = candidates.build(name, schema, values).fit(rows, target)
    return Model(schema, pipeline, name, (0.5, 0.5))


@pytest.mark.parametrize("schema", SCHEMAS, ids=str)
def test_every_candidate_survives_being_written(schema: Schema) -> None:
    rows = np.array([[0.5], [np.nan]], dtype=np.float32).repeat(len(schema.features), axis=1)
    for name in candidates.names(schema):
        model = fitted(schema, name)
        again = artefact.load(artefact.dump(model))

        assert again.schema == schema
        assert (again.algorithm, again.baseline) == (model.algorithm, model.baseline)
        np.testing.assert_array_equal(
            training.predict(again.pipeline, rows, schema),
            training.predict(model.pipeline, rows, schema),
        )


def pretend(pipeline: Any) -> bytes:
    """An artefact that holds something of the attacker's choice."""
    facts = {"format": 1, "algorithm": "x", "baseline": [], "schema": SCHEMAS[0].to_dict()}
    parts = {"model.json": json.dumps(facts).encode(), "pipeline.skops": skops.io.dumps(pipeline)}
    return zipped(parts)


@pytest.mark.parametrize(
    ("pipeline", "name"),
    [
        (Pipeline([("model", KNeighborsClassifier())]), "KNeighborsClassifier"),
        (Pipeline([("model", FunctionTransformer(subprocess.getoutput))]), "getoutput"),
        (Pipeline([("model", FunctionTransformer(np.load))]), "numpy.load"),
        (Path("/etc/passwd"), "Path"),
    ],
)
def test_a_type_that_is_not_listed_is_refused_by_its_name(pipeline: Any, name: str) -> None:
    with pytest.raises(UntrustedArtefact, match=name):
        artefact.load(pretend(pipeline))


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ('"__class__": "check_array"', '"__class__": "getoutput"', "getoutput"),
        ('"__class__": "check_array"', '"__class__": "as_float_array"', "as_float_array"),
        ('"__loader__": "PartialNode"', '"__loader__": "OperatorFuncNode"', "OperatorFuncNode"),
        ('"__class__": "dict", "__module__": "builtins", "__loader__": "DictNode"',
         '"__class__": "dict", "__module__": "builtins", "__loader__": "FunctionNode"',
         "as a function"),
    ],
)  # fmt: skip
def test_a_description_that_was_changed_is_refused(before: str, after: str, told: str) -> None:
    data = artefact.dump(fitted(SCHEMAS[6], "boosting"))
    parts = unzipped(data)
    inside = unzipped(parts["pipeline.skops"])
    assert before.encode() in inside["schema.json"]
    inside["schema.json"] = inside["schema.json"].replace(before.encode(), after.encode())

    with pytest.raises(UntrustedArtefact, match=told):
        artefact.load(zipped({**parts, "pipeline.skops": zipped(inside)}))


def unzipped(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.mark.parametrize("data", [b"", b"PK", b"\x80\x04K\x01.", zipped({"model.json": b"{"})])
def test_damage_is_told(data: bytes) -> None:
    with pytest.raises(UntrustedArtefact, match="damaged"):
        artefact.load(data)


def test_half_an_artefact_is_damaged() -> None:
    data = artefact.dump(fitted(SCHEMAS[0], "logistic"))

    with pytest.raises(UntrustedArtefact, match="damaged"):
        artefact.load(data[: len(data) // 2])


def test_another_format_is_told() -> None:
    with pytest.raises(UntrustedArtefact, match="format 99"):
        artefact.load(zipped({"model.json": b'{"format": 99}', "pipeline.skops": b""}))


def sample_of(model: Model) -> dict[str, Any]:
    rows = [{"n": str(i)} for i in range(10)]
    return {"rows": rows, "predictions": Scorer(model).score(rows)[0]}


def test_the_check_agrees_with_what_was_recorded() -> None:
    model = fitted(SCHEMAS[0], "logistic")

    assert check(artefact.dump(model), sample_of(model))["ok"]


def test_the_check_finds_other_predictions_bad_rows_and_no_rows() -> None:
    model = fitted(SCHEMAS[0], "logistic")
    data, sample = artefact.dump(model), sample_of(model)
    other = [{**one, "probabilities": {"0": 0.0, "1": 1.0}} for one in sample["predictions"]]

    assert "10 of 10 predictions differ" in check(data, {**sample, "predictions": other})["problem"]
    assert "can't be scored" in check(data, {**sample, "rows": [{"n": "x"}] * 10})["problem"]
    assert "no rows" in check(data, {"rows": [], "predictions": []})["problem"]


def test_the_check_is_a_program_of_its_own(tmp_path: Path) -> None:
    model = fitted(SCHEMAS[0], "logistic")
    (tmp_path / "artefact").write_bytes(artefact.dump(model))
    (tmp_path / "bad").write_bytes(pretend(KNeighborsClassifier()))
    (tmp_path / "sample").write_text(json.dumps(sample_of(model)))

    def run(name: str) -> tuple[int, dict[str, Any]]:
        command = [
            sys.executable,
            "-m",
            "app.ml.check",
            str(tmp_path / name),
            str(tmp_path / "sample"),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        return done.returncode, json.loads(done.stdout)

    status, good = run("artefact")
    assert (status, good["ok"], good["rows"]) == (0, True, 10)
    status, bad = run("bad")
    assert status == 1
    assert "KNeighborsClassifier" in bad["problem"]
