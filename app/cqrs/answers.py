"""What became of commands that were given: one by its id, all of them, and waiting for an answer."""

from __future__ import annotations

from typing import Any

from app.cqrs.looking import look_until
from app.cqrs.told import listed, told
from app.errors import NotFound
from app.events.ids import letter_id
from app.store import commands as store
from app.store.columns import key as key_of
from app.store.commands import SUBSCRIPTION
from app.store.page import Page, paged, read_cursor

SOURCE = "/commands"
"""Of the events that give them."""
LOOKS = (0.003, 0.05)
"""Seconds between two looks for an answer: at first, and at most."""


class Answers:
    """The part of `platform.commands` that reads."""

    def __init__(self, platform: Any):
        self.platform = platform

    def state(self, id: str, actor: str | None = None) -> dict[str, Any]:
        """`{"id", "command", "actor", "state", "answer", "position", "problem", "letter"}`.

        Only of this actor, if one is given.
        `state` is waiting, done, refused (`problem` is `{"kind", "detail"}`), or, where its code
        failed, parked or discarded: `letter` is its dead letter. Raises `NotFound`.
        """
        with self.platform.database.read() as session:
            found = store.found(session, id)
        if found is None or (actor is not None and found.row.actor != key_of(actor)):
            raise NotFound(f"No command was given under the id {id}, or its answer was forgotten.")
        return told(found)

    def trouble(self, id: str) -> dict[str, Any] | None:
        """What holds a command up: `{"state", "attempts", "error", "letter"}`; None where nothing does.

        `state` is retrying or parked; `letter` is then the id of its dead letter: replayed, it is carried out.
        """
        for step in self.platform.runs.deliveries_of(id, SOURCE):
            if step["subscription"] == SUBSCRIPTION and step["state"] in ("retrying", "parked"):
                letter = letter_id(SOURCE, id, SUBSCRIPTION) if step["state"] == "parked" else None
                return {
                    "state": step["state"],
                    "attempts": step["attempts"],
                    "error": step["error"],
                    "letter": letter,
                }
        return None

    def wait(self, id: str, seconds: float) -> dict[str, Any]:
        """Its `state` when it doesn't wait any more, or as it is after so many seconds."""
        return look_until(
            lambda told: told["state"] != "waiting", lambda: self.state(id),
            self.platform.clock, seconds, LOOKS,
        )  # fmt: skip

    def given(
        self,
        limit: int = 50,
        cursor: str | None = None,
        command: str | None = None,
        state: str | None = None,
    ) -> Page[dict[str, Any]]:
        """What was given, the newest first: as `state` tells it, but for the answer, and `key` and `at`.

        `state` is one of `app.store.commands.STATES`; `key` is None where the giver named none.
        """
        before = (*read_cursor(cursor, float, str),) if cursor else None
        with self.platform.database.read() as session:
            rows = store.newest(session, limit + 1, before, command, state)
        return paged(rows, limit, lambda one: (one.row.at, one.row.id or ""), listed)
