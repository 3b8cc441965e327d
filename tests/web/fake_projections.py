"""A fake of the projections of the event store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.errors import NotFound
from tests.web.fake_time import Json, at

if TYPE_CHECKING:
    from tests.web.fakes import FakePlatform


class FakeProjections:
    def __init__(self, platform: FakePlatform):
        self._platform = platform
        self._rows: dict[str, Json] = {
            "sales": {
                "name": "sales", "kind": "projection", "version": 1, "state": "running",
                "position": 40, "head": 42, "lag": 2, "updated": at(0), "problem": None,
                "skipped": [], "building": None,
            }
        }  # fmt: skip

    def list(self) -> list[Json]:
        return list(self._rows.values())

    def get(self, name: str) -> Json:
        if name not in self._rows:
            raise NotFound(f"There is no projection {name!r}.")
        return self._rows[name]

    def _changed(self, name: str, actor: str, what: str, **changes: object) -> None:
        self.get(name).update(changes)
        self._platform.audit.record(actor, f"projection.{what}", f"projection:{name}")

    def rebuild(self, name: str, actor: str) -> None:
        beside = {"version": 1, "position": 0, "progress": 0.0, "problem": None}
        self._changed(name, actor, "rebuilt", building=beside)

    def pause(self, name: str, actor: str) -> None:
        self._changed(name, actor, "paused", state="paused")

    def resume(self, name: str, actor: str) -> None:
        self._changed(name, actor, "resumed", state="running")

    def skip(self, name: str, actor: str) -> None:
        self._changed(name, actor, "skipped", problem=None)

    def reset(self, name: str, actor: str) -> None:
        self._changed(name, actor, "reset", position=0, lag=42)
