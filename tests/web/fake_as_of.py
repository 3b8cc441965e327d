"""A fake of asking workers how something was: every question is answered at once, but for `look-2`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.errors import NotFound, Refused
from tests.web.fake_past import fake_past
from tests.web.fake_time import Json

if TYPE_CHECKING:
    from tests.web.fakes import FakePlatform


class FakeAsOf:
    """The answers by their ids."""

    kind = named = by = ""

    def __init__(self, platform: FakePlatform):
        self._platform = platform
        self.told: dict[str, Json] = {}

    def _keep(self, name: str, asked: Json, state: str, answer: Any, progress: float = 1.0) -> str:
        id = f"look-{len(self.told) + 1}"
        self.told[id] = {"id": id, self.named: name, "actor": "user:operator", "state": state,
                         "asked": asked, "progress": progress, "answer": answer,
                         "problem": None}  # fmt: skip
        return id

    def _noted(self, name: str, actor: str) -> None:
        self._platform.audit.record(actor, f"{self.kind}.asked", f"{self.kind}:{name}")

    def answer(self, id: str, name: str) -> Json:
        told = self.told.get(id)
        if told is None or told[self.named] != name:
            raise NotFound(f"There is no answer {id} about {name}.")
        return told

    def wait(self, id: str, name: str, limit: float) -> Json:
        return self.answer(id, name)


class FakeProjectionsAsOf(FakeAsOf):
    """A worker builds `look-2`."""

    kind = named = "projection"
    by = "position"

    def __init__(self, platform: FakePlatform):
        super().__init__(platform)
        rows = [
            {"kind": "changed", "then": {"item": "tea", "pieces": 3}, "now": {"item": "tea", "pieces": 8}},
            {"kind": "gone", "then": {"item": "<i>milk", "pieces": 1}, "now": None},
            {"kind": "new", "then": None, "now": {"item": "rice", "pieces": 2}},
            {"kind": "same", "then": {"item": "salt", "pieces": 2}, "now": {"item": "salt", "pieces": 2}},
        ]  # fmt: skip
        table = {"table": "sales", "columns": ["item", "pieces"], "key": ["item"], "then": 3, "now": 3,
                 "new": 1, "gone": 1, "changed": 1, "rows": rows}  # fmt: skip
        self._found = {"position": 20, "events": 11, "live": {"position": 40, "version": 1},
                       "cut": False, "tables": [table]}  # fmt: skip
        asked = {"position": 20, "at": None}
        self._keep("sales", asked, "done", self._found)
        self._keep("sales", asked, "working", None, 0.4)

    def ask(self, name: str, actor: str, position: int | None = None, at: Any = None) -> str:
        self._platform.projections.get(name)
        if position is not None and position > 42:
            raise Refused(f"The positions are 0 to 42: there is no {position}.")
        self._noted(name, actor)
        until = 12 if position is None else position
        found = {**self._found, "position": until}
        return self._keep(name, {"position": until, "at": None}, "done", found)


class FakeAggregatesAsOf(FakeAsOf):
    """No worker has come to `look-2`."""

    kind, named = "aggregate", "stream"
    by = "version"

    def __init__(self, platform: FakePlatform):
        super().__init__(platform)
        self._keep("lamp:1", {"version": 2}, "done", self._at("lamp:1", 2))
        self._keep("lamp:1", {"version": 2}, "waiting", None, 0.0)

    def ask(self, stream: str, actor: str, version: int | None = None, at: Any = None) -> str:
        found = self._platform.past.get(stream, version=version, at=at)
        self._noted(stream, actor)
        told = self._at(stream, found["version"])
        return self._keep(stream, {"version": found["version"]}, "done", told)

    @staticmethod
    def _at(stream: str, version: int) -> Json:
        past = fake_past()
        return {**past.get(stream, version=version), "step": past.step(stream, version)}
