"""A fake of the projections of the event store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.cqrs.declaration import CONSOLE
from app.cqrs.shown import console
from app.errors import Conflict, NotFound
from app.events.position import Position
from tests.web.fake_time import Json, at

if TYPE_CHECKING:
    from tests.web.fakes import FakePlatform


class FakeProjections:
    def __init__(self, platform: FakePlatform):
        self._platform = platform
        self._rows: dict[str, Json] = {
            "sales": {
                "name": "sales", "kind": "projection", "version": 1, "state": "running",
                "live": True, "declared": True, "slow": None,
                "position": 40, "head": 42, "lag": 2, "updated": at(0), "problem": None, "older_code": False,
                "behind": {"events": 2, "seconds": 1.5},
                "skipped": [], "building": None,
            },
            "thanks": {
                "name": "thanks", "kind": "reactor", "version": 1, "state": "stopped",
                "live": True, "declared": False, "slow": None,
                "position": 30, "head": 42, "lag": 12, "updated": at(900),
                "problem": "31 item.sold e-31: KeyError: <b>'buyer'</b>",
                "stopped_by": {
                    "position": 31, "type": "item.sold", "event": "e-31", "error": "KeyError: <b>'buyer'</b>",
                },
                "behind": {"events": 12, "seconds": 900.0},
                "older_code": False,
                "skipped": [{"position": 7, "type": "item.sold", "error": "KeyError: 'buyer'"}], "building": None,
            },
        }  # fmt: skip

    def list(self) -> list[Json]:
        return list(self._rows.values())

    def stopped(self) -> list[Json]:
        return [
            {"name": row["name"], "kind": row["kind"], "why": "Its code fails on item.sold."}
            for row in self._rows.values()
            if row["state"] == "stopped"
        ]

    def all(self) -> list[Json]:
        runs = {
            "name": "runs", "kind": "console", "version": 1, "state": "healthy", "lag": 0.0,
            "behind": {"events": 0, "seconds": 0.0}, "updated": None, "problem": None,
            "building": {"version": 1, "position": 400, "progress": 0.4, "problem": None, "older_code": False},
        }  # fmt: skip
        return [
            *self._rows.values(),
            runs,
            *map(console, self._platform.subscriptions.projections()),
        ]

    def get(self, name: str) -> Json:
        if name not in self._rows:
            raise NotFound(f"There is no projection {name!r}.")
        return self._rows[name]

    def wait_for(self, name: str, position: Position | str | int, seconds: float) -> Json:
        row = {"state": "running", "position": None} if name in CONSOLE else self.get(name)
        return {
            "projection": name, "asked": str(position), "reached": True, "left_out": False,
            "older_code": False, "state": row["state"], "position": row["position"],
            "head": row.get("head"), "behind": {"events": 0, "seconds": 0.0},
        }  # fmt: skip

    def owner(self) -> str | None:
        return "pc-4711-ab12"

    def _changed(self, name: str, actor: str, what: str, **changes: object) -> None:
        self.get(name).update(changes)
        self._platform.audit.record(actor, f"projection.{what}", f"projection:{name}")

    def rebuild(self, name: str, actor: str, reason: str = "") -> None:
        beside = {
            "version": 1,
            "position": 0,
            "progress": 0.0,
            "problem": None,
            "older_code": False,
        }
        self._changed(name, actor, "rebuilt", building=beside)

    def cancel(self, name: str, actor: str, reason: str = "") -> None:
        self._changed(name, actor, "cancelled", building=None)

    def pause(self, name: str, actor: str, reason: str = "") -> None:
        self._changed(name, actor, "paused", state="paused")

    def resume(self, name: str, actor: str, reason: str = "") -> None:
        self._changed(name, actor, "resumed", state="running")

    def skip(self, name: str, actor: str, reason: str = "") -> None:
        self._changed(name, actor, "skipped", problem=None)

    def newer(self, name: str) -> Json | None:
        by = self.get(name).get("stopped_by")
        older = by and self.get(name)["older_code"]
        return {"type": by["type"], "above": 1, "events": 3, "until": 42} if older else None

    def skip_newer(self, name: str, actor: str, reason: str = "", until: int | None = None) -> int:
        if self.newer(name) is None:
            raise Conflict(f"{name} isn't stopped by an event that only newer code reads.")
        self._changed(name, actor, "skipped", problem=None)
        return 3

    def remove(self, name: str, actor: str, reason: str = "") -> list[str]:
        if self.get(name)["state"] == "running":
            raise Conflict(f"The code of {name} is still there, in pc-4711-ab12.")
        self._changed(name, actor, "removed")
        del self._rows[name]
        return []

    def reset(self, name: str, actor: str, reason: str = "") -> None:
        self._changed(name, actor, "reset", position=0, lag=42)
