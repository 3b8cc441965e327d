"""The pipeline in memory, and the two nouns on each kind of database."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from app.domain.committed import Committed
from app.domain.datasets import Datasets
from app.domain.events import Lineage, ModelEvaluated
from app.domain.models import Models
from app.errors import Unavailable
from app.events.event import Event
from app.ml import artefact, building
from app.ml.artefact import Model
from app.ml.scoring import Scorer
from app.store.audit import Audit
from app.store.blobs.folder import FolderBlobs
from app.store.database import Database
from app.store.outbox import Outbox
from app.testing import InMemoryPlatform
from app.testing.clock import FakeClock
from tests.ml.tables import accepted, two_classes
from workers import handlers


@pytest.fixture
def memory() -> Iterator[InMemoryPlatform]:
    """Our handlers on streams in memory, on SQLite."""
    platform = InMemoryPlatform([handlers])
    with platform:
        yield platform


class Heard:
    """A publisher and an announcer that remember; `broken` refuses to publish."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.announced: list[str] = []
        self.broken = False

    def check(self, events: Sequence[Event]) -> None:
        """All can be published."""

    def publish(self, events: Sequence[Event]) -> list[bool]:
        if self.broken:
            raise Unavailable("Redis can't be reached.")
        self.events += events
        return [True] * len(events)

    def announce(self, *what: str) -> None:
        self.announced += what


@dataclass
class World:
    """Datasets and models on one database, as one process has them."""

    database: Database
    blobs: FolderBlobs
    heard: Heard = field(default_factory=Heard)
    clock: FakeClock = field(default_factory=FakeClock)

    def __post_init__(self) -> None:
        self.audit = Audit(self.database, self.clock)
        heard: Any = self.heard
        committed = Committed(heard, Outbox(lambda: None), self.database, lambda: None)
        rest: Any = (self.clock, self.audit, self.heard)
        self.datasets = Datasets(self.database, self.blobs, heard, *rest)
        self.models = Models(self.database, self.blobs, committed, *rest)

    def another_process(self) -> World:
        return World(Database(str(self.database.url.render_as_string(False))), self.blobs)

    def register(self, model: Model, run: str, name: str = "stays", **changes: Any) -> int:
        """A version of a model, as the pipeline registers it."""
        with self.database.session() as session:
            return self.models.register(session, evaluated(self.blobs, model, name, **changes), run)

    def promote(self, name: str, version: int, expected: int | None) -> None:
        with self.database.session() as session:
            self.models.swap(session, name, version, expected)


@cache
def written(model: Model) -> tuple[bytes, dict[str, Any]]:
    """The artefact of a model and its sample. To write and score one takes a quarter of a second."""
    rows = [{"age": 20 + i, "city": "Oslo"} for i in range(10)]
    return artefact.dump(model), {"rows": rows, "predictions": Scorer(model).score(rows)[0]}


def evaluated(blobs: Any, model: Model, name: str = "stays", **changes: Any) -> ModelEvaluated:
    """The event of a model that was tested, with a sample that it agrees with."""
    from app.domain.pipeline import put_json

    data, sample = written(model)
    facts: dict[str, Any] = {
        "model": name,
        "task": model.task,
        "classes": list(model.labels),
        "metric": "auc",
        "metrics": {"auc": 0.9, "accuracy": 0.8},
        "baseline": {"auc": 0.5, "accuracy": 0.6},
        "better": True,
        "reasons": ["Better than the baseline: auc 0.9 against 0.5."],
        "artefact": blobs.put(data),
        "sample": put_json(blobs, sample),
        "lineage": Lineage(dataset=name, dataset_version=1, sha256="0" * 64, rows=400),
    }
    return ModelEvaluated(**(facts | changes))


@pytest.fixture
def world(migrated_url: str, tmp_path: Path) -> Iterator[World]:
    database = Database(migrated_url, connections=12)
    yield World(database, FolderBlobs(tmp_path / "blobs"))
    database.dispose()


@pytest.fixture(scope="session")
def stays() -> Model:
    """A small model of whether somebody stays."""
    return _trained(two_classes(200))


@pytest.fixture(scope="session")
def other() -> Model:
    """Another model of the same, which was told the opposite."""
    swapped = two_classes(200).replace(b"yes", b"YES").replace(b"no", b"yes").replace(b"YES", b"no")
    return _trained(swapped)


def _trained(data: bytes) -> Model:
    table, report = accepted(data, "stays")
    assert report.schema
    return building.build(table, report.schema, chosen={"boosting": {"max_iter": 10}}).model
