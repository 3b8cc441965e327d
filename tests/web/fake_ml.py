"""Fakes of datasets and models."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from app.errors import Conflict, NotFound
from tests.web.fake_ml_data import EVALUATION
from tests.web.fake_paging import Page, page
from tests.web.fake_time import Json

if TYPE_CHECKING:
    from tests.web.fakes import FakePlatform


class FakeDatasets:
    def __init__(self, platform: FakePlatform):
        self._platform = platform
        self.uploads: list[Json] = []
        self.kept_rules = ["digit between 0 and 9"]

    def upload(
        self,
        file: Any,
        name: str,
        target: str,
        *,
        filename: str,
        evaluation: Any = None,
        task: str | None = None,
        header: bool | None = None,
        actor: str,
    ) -> Json:
        self.uploads.append(
            {
                "bytes": file.read(),
                "name": name,
                "target": target,
                "task": task,
                "filename": filename,
                "header": header,
                "actor": actor,
                "evaluation": evaluation.read() if evaluation else None,
            }
        )
        return {"dataset": name, "correlationid": self._platform.data["runs"][0]["correlationid"]}

    def find(self, limit: int = 50, cursor: str | None = None) -> Page:
        return page(self._platform.data["datasets"], limit, cursor)

    def get(self, name: str) -> Json:
        for row in self._platform.data["datasets"]:
            if row["name"] == name:
                return copy.deepcopy(row)
        raise NotFound(f"There is no dataset {name!r}; `python -m app datasets` lists them.")

    def rules(self, name: str) -> Json:
        return {"version": 1, "rules": self.kept_rules, "by": "user:admin", "at": None}

    def set_rules(self, name: str, rules: list[str], actor: str) -> Json:
        self.kept_rules = [rule for rule in rules if rule]
        return self.rules(name)

    def rejected_rows(self, name: str, version: int) -> Iterator[str]:
        self.get(name)
        return iter(["row,reason,digit\r\n", "7,no target,\r\n"])


class FakeModels:
    def __init__(self, platform: FakePlatform):
        self._platform = platform

    def find(self, limit: int = 50, cursor: str | None = None) -> Page:
        return page(self._platform.data["models"], limit, cursor)

    def _row(self, name: str) -> Json:
        for row in self._platform.data["models"]:
            if row["name"] == name:
                return row
        raise NotFound(f"There is no model {name!r}; `python -m app models` lists them.")

    def get(self, name: str) -> Json:
        return copy.deepcopy(self._row(name))

    def promote(self, name: str, version: int, actor: str, reason: str = "") -> None:
        row = self._row(name)
        if version not in [v["version"] for v in row["versions"]]:
            raise NotFound(f"Model {name} has no version {version}.")
        if row["champion"] == version:
            raise Conflict(f"Version {version} of {name} is the champion already.")
        before, row["champion"] = row["champion"], version
        self._platform.audit.record(actor, "model.promoted", name, before, version, reason=reason)

    def approve(self, name: str, version: int, actor: str, reason: str) -> None:
        self._answer(name, version, actor, reason, "approved")

    def reject(self, name: str, version: int, actor: str, reason: str) -> None:
        self._answer(name, version, actor, reason, "rejected")

    def _answer(self, name: str, version: int, actor: str, reason: str, state: str) -> None:
        for one in self._row(name)["versions"]:
            if one["version"] == version and one["state"] == "waiting":
                one["state"] = state
                self._platform.audit.record(actor, f"model.{state}", name, reason=reason)
                return
        raise Conflict(f"Version {version} of {name} doesn't wait for a decision.")

    def cancel(self, correlationid: str, actor: str, reason: str = "") -> None:
        for run in self._platform.data["runs"]:
            if run["correlationid"] == correlationid:
                if run["state"] != "running":
                    raise Conflict(f"The run is over: it is {run['state']}.")
                run["state"] = "cancelled"
                return
        raise NotFound(f"There is no run {correlationid!r}.")

    def version(self, name: str, version: int) -> Json:
        for one in self._row(name)["versions"]:
            if one["version"] == version:
                return copy.deepcopy(one)
        raise NotFound(f"Model {name} has no version {version}.")

    def predict_file(
        self, file: Any, name: str, actor: str, *, filename: str = "", header: bool | None = None
    ) -> Json:
        self._row(name)
        return {"model": name, "correlationid": self._platform.data["runs"][0]["correlationid"]}

    def evaluation(self, name: str, version: int) -> Json:
        self._row(name)
        return copy.deepcopy(EVALUATION)

    def rollback(self, name: str, actor: str, reason: str = "") -> None:
        row = self._row(name)
        if not row["champion"] or row["champion"] == 1:
            raise Conflict(f"{name} has no earlier champion to go back to.")
        row["champion"] -= 1
        self._platform.audit.record(actor, "model.rolledback", name, reason=reason)

    def predict(self, name: str, rows: list[Json]) -> Json:
        row = self._row(name)
        if not row["champion"]:
            raise Conflict(f"{name} has no champion yet: promote a version first.")
        return {
            "model": name,
            "version": row["champion"],
            "predictions": [{"value": "7", "probabilities": {"7": 0.9, "1": 0.1}} for _ in rows],
        }
