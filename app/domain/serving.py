"""Answers predictions with a model's champion, in any process.

Which version is the champion is looked up at most every half second, so a new
one is in use everywhere within that; a loaded model is kept by its artefact.
A champion that can't be loaded any more is an error, never an old answer.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlmodel import col, select

from app.clock import Clock
from app.domain.tables import ModelRow, ModelVersionRow
from app.errors import Conflict, NotFound
from app.ml import artefact, scoring
from app.store.blobs import BlobStore
from app.store.database import Database
from app.subscriptions import model_in_use

FRESH = 0.5
KEPT = 8


@dataclass(frozen=True)
class Champion:
    model: str
    version: int
    artefact: str


class Serving:
    """Safe for use by several threads."""

    def __init__(self, database: Database, blobs: BlobStore, clock: Clock):
        self._database = database
        self._blobs = blobs
        self._clock = clock
        self._known: dict[str, tuple[float, Champion | None]] = {}
        self._scorers: OrderedDict[str, scoring.Scorer] = OrderedDict()
        self._lock = threading.Lock()

    def champion(self, name: str) -> Champion | None:
        """As SQL has it now; None where there is no such model, or nothing promoted yet."""
        query = (
            select(ModelVersionRow.version, ModelVersionRow.artefact)
            .join(ModelRow, col(ModelRow.name) == col(ModelVersionRow.model))
            .where(
                col(ModelRow.name) == name, col(ModelRow.champion) == col(ModelVersionRow.version)
            )
        )
        with self._database.read() as session:
            found = session.exec(query).first()
        return Champion(name, *found) if found else None

    def current(self, name: str) -> Champion:
        """The champion, looked up at most every half second. Raises `NotFound`, `Conflict`."""
        now = self._clock.monotonic()
        looked_up, champion = self._known.get(name, (-FRESH, None))
        if champion is None or now - looked_up >= FRESH:
            champion = self.champion(name)
            if champion is None:
                self._known.pop(name, None)
                raise self.absent(name)
            self._known[name] = (now, champion)
        return champion

    def forget(self, name: str) -> None:
        """Look the champion up at the next prediction: it was changed in this process."""
        self._known.pop(name, None)

    def scorer(self, champion: Champion) -> scoring.Scorer:
        """The loaded model. Raises what the blob store and the allow-list raise."""
        model_in_use.note(champion.model, champion.version)
        with self._lock:
            if champion.artefact not in self._scorers:
                self._scorers[champion.artefact] = scoring.Scorer(
                    artefact.load(self._blobs.read(champion.artefact))
                )
                while len(self._scorers) > KEPT:
                    self._scorers.popitem(last=False)
            self._scorers.move_to_end(champion.artefact)
            return self._scorers[champion.artefact]

    def score(
        self, name: str, rows: Sequence[Any]
    ) -> tuple[int, list[dict[str, Any] | None], list[scoring.RowProblem]]:
        """The version that answered, a prediction for each row or None, and the problems."""
        champion = self.current(name)
        return champion.version, *self.scorer(champion).score(rows)

    def absent(self, name: str) -> NotFound | Conflict:
        with self._database.read() as session:
            known = session.get(ModelRow, name)
        if known:
            return Conflict(
                f"The model {name!r} has no champion yet: promote one of its {known.versions} "
                "versions."
            )
        return NotFound(
            f"There is no model {name!r}; `python -m app models list` shows those there are."
        )
