"""`bench mlops` runs the real pipeline with workers of its own."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from app.bench import mlops
from app.bench.machine import Machine
from tests.ml.tables import csv, two_classes


class Kept(Machine):
    """A machine whose workers are started once, for both tests."""

    def start_workers(self, *arguments: Any, **options: Any) -> list[subprocess.Popen[bytes]]:
        return self.workers or super().start_workers(*arguments, **options)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    made = Kept(tmp_path_factory.mktemp("m"), "everysec")
    yield made
    made.close()


@pytest.fixture(autouse=True)
def _shared(kept: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def machine(*arguments: Any) -> Iterator[Machine]:
        yield kept

    monkeypatch.setattr(mlops, "machine", machine)


def test_it_tells_how_good_and_how_long(tmp_path: Path) -> None:
    table = tmp_path / "stays.csv"
    table.write_bytes(two_classes(400))
    told: list[str] = []
    result = mlops.run(table, None, "stays", told.append)

    assert result["metrics"]["auc"] > 0.8
    assert 0 < result["deployed after (s)"] < 120
    assert any("dataset.validated" in line for line in told)


def test_a_table_without_a_model_says_why(tmp_path: Path) -> None:
    table = tmp_path / "one.csv"
    table.write_bytes(csv("x,y", [f"{i},same" for i in range(50)]))

    with pytest.raises(mlops.NoModel, match="one class only"):
        mlops.run(table, None, "y", lambda line: None, name="one")
