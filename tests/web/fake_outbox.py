"""A fake of the outbox: two events that their topics refuse."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.errors import NotFound
from tests.web.fake_paging import Page, page
from tests.web.fake_time import Json, at

if TYPE_CHECKING:
    from tests.web.fakes import FakePlatform


class FakeOutgoing:
    def __init__(self, platform: FakePlatform):
        self._platform = platform
        self.rows: list[Json] = [
            {
                "id": number,
                "problem": f"{kind}: data.amount: Input should be a number, got '<b>ten'",
                "event": {"specversion": "1.0", "id": f"refused-{number}", "source": "shop", "type": kind,
                          "time": at(900), "data": {"amount": "<b>ten"}},
            }
            for number, kind in ((18, "order.placed"), (17, "note.written"))
        ]  # fmt: skip
        self.owner: str | None = "pc-4711-ab12"

    def status(self) -> Json:
        behind = {"owner": self.owner, "position": 40, "head": 42, "lag": 2, "seconds": 1.5}
        return {"waiting": 3, "later": 1200, "refused": len(self.rows), "relay": behind}

    def refused(self, limit: int = 50, cursor: str | None = None) -> Page:
        return page(self.rows, limit, cursor)

    def retry(self, id: int, actor: str, reason: str = "") -> None:
        self._settled(id, actor, "retried", reason)

    def discard(self, id: int, actor: str, reason: str = "") -> None:
        self._settled(id, actor, "discarded", reason)

    def _settled(self, id: int, actor: str, what: str, reason: str) -> None:
        row = next((row for row in self.rows if row["id"] == id), None)
        if row is None:
            raise NotFound(f"The outbox holds no refused event {id}.")
        self.rows.remove(row)
        self._platform.audit.record(
            actor, f"outbox.{what}", f"outbox:{id}", before=row, reason=reason
        )
