"""A fake of what is done once for its key: one thread, one memory."""

from __future__ import annotations

from typing import Any

from app.store.once import Claim
from tests.web.fake_time import Json


class FakeOnce:
    def __init__(self) -> None:
        self._kept: dict[tuple[str, str, str], Json] = {}

    def claim(self, what: str, actor: str, name: str, given: str) -> Claim | Json:
        return self._kept.get((what, actor, name)) or Claim(what, actor, name, "one")

    def keep(self, claim: Claim, answer: Any) -> None:
        self._kept[claim.command, claim.actor, claim.key] = {"answer": answer}

    def refuse(self, claim: Claim, problem: Json) -> None:
        self._kept[claim.command, claim.actor, claim.key] = {"problem": problem}

    def release(self, claim: Claim) -> None:
        self._kept.pop((claim.command, claim.actor, claim.key), None)

    def leave(self, claim: Claim) -> None:
        """Nothing is held here."""
