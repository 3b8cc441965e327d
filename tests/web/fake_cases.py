"""Cases of a process: one waits for its payment, one is over."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from app.errors import NotFound
from tests.web.fake_paging import Page, page
from tests.web.fake_time import Json, at


class FakeCases:
    def __init__(self, platform: Any):
        self._platform = platform

    def end(self, name: str, keys: Sequence[str], actor: str, reason: str = "") -> int:
        if unknown := [key for key in keys if key != "order-<b>7"]:
            raise NotFound(f"{name} has no case {unknown[0]!r}. Nothing was ended.")
        self._platform.audit.record(actor, "case.ended", f"subscription:{name}", reason=reason)
        return len(keys)

    def of(
        self, name: str, state: str | None = None, limit: int = 50, cursor: str | None = None
    ) -> Page:
        rows: list[Json] = [
            {"key": "order-<b>7", "state": "unpaid", "over": False, "since": at(90), "updated": at(60),
             "deadline": at(-3600), "arrived": {"order.placed": "e-7"}, "fields": {"amount": 12}},
            {"key": "order-6", "state": "done", "over": True, "since": at(900), "updated": at(800),
             "deadline": None, "arrived": {}, "fields": None},
        ]  # fmt: skip
        return page([row for row in rows if state in (None, row["state"])], limit, cursor)

    def counts(self, name: str) -> dict[str, int]:
        return {"unpaid": 1, "done": 1}
