"""A fake of the commands: each that is given is done at once, by the worker that isn't there."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from app.errors import NotAllowed, NotFound
from tests.web.fake_paging import Page, page
from tests.web.fake_time import Json, at

if TYPE_CHECKING:
    from tests.web.fakes import FakePlatform

SELL: Json = {
    "name": "item.sell", "level": "operator", "doc": "Sell pieces of an item.",
    "schema": {"type": "object", "required": ["item", "pieces"], "properties": {
        "item": {"type": "string"}, "pieces": {"type": "integer", "minimum": 1}}},
}  # fmt: skip


Sent = list[tuple[Any, str | None]]


class FakeCommands:
    def __init__(self, platform: FakePlatform):
        self._platform = platform
        self.sent: Sent = []
        self._given: dict[str, Json] = {
            "cmd-1": self._done("cmd-1", "user:operator"),
            "cmd-w": {
                **self._done("cmd-w", "user:operator"),
                "state": "parked",
                "answer": None,
                "position": None,
                "letter": "l-1",
            },
        }

    def list(self) -> list[Json]:
        return [SELL]

    def get(self, name: str) -> Json:
        if name != "item.sell":
            raise NotFound(f"There is no command {name!r}.")
        return SELL

    def send(
        self,
        name: str,
        asked: Any,
        *,
        actor: str,
        may: Collection[str] = (),
        key: str | None = None,
    ) -> str:
        if self.get(name)["level"] not in may:
            raise NotAllowed(f"{actor} may not give {name}.")
        self.sent.append((asked, key))
        self._platform.audit.record(actor, f"command.{name}", name, asked=asked)
        id = f"cmd-{len(self._given) + 1}"
        self._given[id] = self._done(id, actor)
        return id

    def wait(self, id: str, seconds: float) -> Json:
        return self.state(id)

    def state(self, id: str, actor: str | None = None) -> Json:
        if id not in self._given:
            raise NotFound(f"No command was given under the id {id}.")
        return self._given[id]

    def trouble(self, id: str) -> Json | None:
        return {
            "state": "parked",
            "attempts": 5,
            "error": "KeyError: <b>'buyer'</b>",
            "letter": "l-1",
        }

    def given(
        self,
        limit: int = 50,
        cursor: str | None = None,
        command: str | None = None,
        state: str | None = None,
    ) -> Page:
        refused = {"kind": "conflict", "detail": "there is no <i>gold</i>"}
        bad = {**self._done("cmd-0", "token:till"), "state": "refused", "position": None,
               "problem": refused}  # fmt: skip
        rows = [
            {**{k: v for k, v in row.items() if k != "answer"}, "key": key, "at": at(60)}
            for row, key in [*((row, None) for row in self._given.values()), (bad, "order-7")]
            if command in (None, row["command"]) and state in (None, row["state"])
        ]
        return page(rows, limit, cursor)

    @staticmethod
    def _done(id: str, actor: str) -> Json:
        return {"id": id, "command": "item.sell", "actor": actor, "state": "done",
                "answer": {"sold": 3}, "position": 42, "problem": None, "letter": None}  # fmt: skip
