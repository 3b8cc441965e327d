"""A model's history of three events, as `platform.past` tells it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from app.events.event import Event
from app.sourcing.aggregate import Aggregate, applies
from app.sourcing.kind import Kinds
from app.sourcing.past import Past
from app.store.eventstore.recorded import Recorded
from app.store.page import Page


class Lamp(Aggregate):
    on: bool = False
    label: str = ""

    @applies("lamp.switched")
    def _switched(self, event: Event) -> None:
        self.on = event.data["on"]

    @applies("lamp.labelled")
    def _labelled(self, event: Event) -> None:
        self.label = event.data["label"]


class _Store:
    """One stream in memory."""

    def __init__(self) -> None:
        said: list[tuple[str, Any]] = [
            ("lamp.switched", {"on": True}),
            ("lamp.labelled", {"label": "<b>desk</b>"}),
            ("lamp.switched", {"on": False}),
        ]
        self.rows = [
            Recorded("lamp:1", n, n, Event(type=type, data=data), 1_790_000_000.0 + n, "user:admin")
            for n, (type, data) in enumerate(said, 1)
        ]

    def version(self, stream: str) -> int:
        return len(self.rows) if stream == "lamp:1" else 0

    def read(
        self,
        stream: str,
        from_version: int | None = None,
        *,
        until_version: int | None = None,
        at: Any = None,
        backwards: bool = False,
    ) -> Iterator[Recorded]:
        rows = self.rows[(from_version or 1) - 1 : until_version] if stream == "lamp:1" else []
        return iter(rows[::-1] if backwards else rows)

    def read_all(self, after: int = 0, limit: int = 1000, *, typed: bool = True) -> list[Recorded]:
        return self.rows[after : after + limit]

    def head(self) -> int:
        return len(self.rows)

    def streams(self, category: str | None, limit: int, cursor: str | None) -> Page[dict[str, Any]]:
        row = {
            "stream": "lamp:1",
            "category": "lamp",
            "version": 3,
            "began": "2026-09-21T14:13:21Z",
            "changed": "2026-09-21T14:13:23Z",
            "last": "lamp.switched",
        }
        return Page([row] if category in (None, "lamp") else [])


def fake_past() -> Past:
    kinds = Kinds()
    kinds.register(Lamp.kind())
    store: Any = _Store()
    return Past(store, kinds)
