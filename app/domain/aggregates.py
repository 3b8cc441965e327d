"""The model registry and the dataset as aggregates: what became of each version, and by whom.

`record_model` and `record_dataset` record here what they decide, in the transaction of their
tables; so these tell any model or dataset as it was at a time, and why it is as it is. The
events stay in the store: the pipeline publishes its own. What was there before the store
was begins with the first decision after it.
"""

# ruff: noqa: RUF012 (an aggregate's start values are copied for each)
from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from app.events.event import Event
from app.sourcing.aggregate import Aggregate, applies

PIPELINE = "pipeline"
"""The actor of what no person decided."""


@dataclass
class ModelVersion:
    state: str = "candidate"
    reason: str = ""
    metrics: dict[str, float] = field(default_factory=dict)
    artefact: str = ""
    correlationid: str = ""


class Model(Aggregate):
    """A model's versions and its champion."""

    snapshot_every = 50
    private: ClassVar[bool] = True

    task: str = ""
    champion: int | None = None
    versions: dict[str, ModelVersion] = {}

    def register(self, version: int, run: str, **said: Any) -> None:
        self.record("version.registered", {"version": version, **said}, correlationid=run)

    def decide(self, version: int, state: str, reason: str) -> None:
        """`approved`, `rejected`, `waiting` or `rolledback`."""
        self.record(f"version.{state}", {"version": version, "reason": reason})

    def promote(self, version: int, previous: int | None, reason: str, back: bool) -> None:
        data = {"version": version, "previous": previous, "reason": reason}
        self.record("version.restored" if back else "version.promoted", data)

    @applies("version.registered")
    def _registered(self, event: Event) -> None:
        data = event.data
        self.task = data["task"]
        self._version(event).metrics = data["metrics"]
        self._version(event).artefact = data["artefact"]
        self._version(event).reason = data["reason"]
        self._version(event).correlationid = event.correlationid or ""

    @applies("version.approved", "version.rejected", "version.waiting", "version.rolledback")
    def _decided(self, event: Event) -> None:
        version = self._version(event)
        version.state = event.type.partition(".")[2]
        version.reason = event.data["reason"]

    @applies("version.promoted", "version.restored")
    def _promoted(self, event: Event) -> None:
        previous = event.data["previous"]
        if previous is not None:
            self.versions.setdefault(str(previous), ModelVersion()).state = "retired"
        self._version(event).state = "champion"
        self.champion = event.data["version"]

    def _version(self, event: Event) -> ModelVersion:
        return self.versions.setdefault(str(event.data["version"]), ModelVersion())


@dataclass
class Upload:
    state: str = "uploaded"
    file: str | None = None
    filename: str = ""
    rows: int | None = None
    reasons: list[str] = field(default_factory=list)


class Dataset(Aggregate):
    """A dataset's uploads, and the rules that hold for the next one."""

    snapshot_every = 50
    private: ClassVar[bool] = True

    target: str = ""
    rules: list[str] = []
    versions: dict[str, Upload] = {}

    def upload(self, version: int, run: str, **said: Any) -> None:
        self.record("upload.recorded", {"version": version, **said}, correlationid=run)

    def judge(self, version: int, state: str, rows: int | None, reasons: list[str]) -> None:
        """`validated` or `rejected`."""
        self.record(f"upload.{state}", {"version": version, "rows": rows, "reasons": reasons})

    def rule(self, rules: list[str]) -> None:
        self.record("rules.changed", {"rules": rules})

    @applies("upload.recorded")
    def _uploaded(self, event: Event) -> None:
        data = event.data
        self.target = data["target"]
        self.versions[str(data["version"])] = Upload(file=data["file"], filename=data["filename"])

    @applies("upload.validated", "upload.rejected")
    def _judged(self, event: Event) -> None:
        data = event.data
        upload = self.versions.setdefault(str(data["version"]), Upload())
        upload.state = event.type.partition(".")[2]
        upload.rows, upload.reasons = data["rows"], data["reasons"]

    @applies("rules.changed")
    def _ruled(self, event: Event) -> None:
        self.rules = event.data["rules"]
