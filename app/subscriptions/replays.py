"""Replays: sending parked or past events again, as an operation that can be watched and stopped.

The list is frozen when a replay starts (`replay_selection.py`); a long one is then written
in steps, while it is `preparing` (`replay_preparing.py`). Each event goes
to one subscription, through its `again` stream, with a generation of its own:
what the handler emits are new events with the old one as their cause. An edited
event is a new one (`replayedfrom` names the original); the original stays as it was.

A replay begins with its canary, if it has one, and goes on when all of that
succeeded. It keeps to its rate, and stops where too many fail again. The
caretaker calls `advance` a few times a second (`replay_sending.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from typing import Any

from app.errors import Refused
from app.events.ids import derived_id
from app.store.page import Page
from app.store.replay_work import STEP
from app.subscriptions.replay_preparing import Preparing
from app.subscriptions.replay_preview import Preview
from app.subscriptions.replay_selection import Selecting
from app.subscriptions.replay_sending import Sending


class Replays:
    """The operators' functions on replays."""

    def __init__(self, platform: Any):
        self.platform = platform
        self.store = platform.replay_store
        self.selecting = Selecting(platform)
        self.preparing = Preparing(platform, self.selecting)
        self.sending = Sending(platform)

    # -- starting

    def preview(
        self, selection: Mapping[str, Any], options: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """What a replay would send and cause; nothing is changed (see `Preview.of`)."""
        return Preview(self.platform, self.selecting).of(selection, options or {})

    def start(
        self, selection: Mapping[str, Any], options: Mapping[str, Any] | None, actor: str
    ) -> str:
        """Freeze the list and begin; the replay's id. A long one is `preparing` for a while.

        Raises `Refused` where nothing matches or an edit doesn't fit, `NotFound`, `Conflict`.
        """
        options = _checked(options or {})
        id = derived_id("replay", actor, self.platform.clock.now(), sorted(selection))
        about = {"selection": selection, "options": options}
        # Read before the transaction that writes: the others wait for the writing only.
        letters = None if "events" in selection else self.selecting.ids(selection)
        items: list[dict[str, Any]] = []
        if letters is None or len(letters) <= STEP:
            items = list(islice(self.selecting.items(selection, options, id), STEP + 1))
        is_long = len(items) > STEP or len(letters or ()) > STEP
        if is_long:
            self.preparing.check(selection, options, letters, id)
        with self._changing(actor, "started", id) as change:
            if is_long:
                self.platform.replay_work.begin(id, letters, **about, actor=actor)
            else:
                above = self.platform.settings.approve_above
                self.store.create(items, **about, actor=actor, id=id, approve_above=above)
            change.after = {name: dict(value) for name, value in about.items()}
        return id

    # -- watching and stopping

    def get(self, id: str) -> dict[str, Any]:
        return self.store.get(id)

    def find(self, limit: int = 50, cursor: str | None = None) -> Page[dict[str, Any]]:
        return self.store.find(limit, cursor)

    def unfinished(self) -> int:
        """How many there are that have not ended."""
        return int(self.store.unfinished())

    def beginning(self, id: str, limit: int) -> list[dict[str, Any]]:
        return self.store.beginning(id, limit)

    def items(
        self, id: str, state: str | None = None, limit: int = 50, cursor: str | None = None
    ) -> Page[dict[str, Any]]:
        return self.store.items(id, state, limit, cursor)

    def pause(self, id: str, actor: str) -> None:
        """Send nothing more for now. Raises `Conflict` where it isn't sending."""
        with self._changing(actor, "paused", id):
            self.store.pause(id)

    def resume(self, id: str, actor: str) -> None:
        """Go on with the rest."""
        with self._changing(actor, "resumed", id):
            self.store.resume(id)

    def approve(self, id: str, actor: str) -> None:
        """The second person's yes: it begins. Raises `Refused` for who started it, `Conflict`."""
        with self._changing(actor, "approved", id):
            self.store.approve(id, actor)

    def cancel(self, id: str, actor: str) -> None:
        """End it: what was not sent stays parked, of a long one after a while."""
        with self._changing(actor, "cancelled", id):
            self.store.cancel(id)

    def discard(self, selection: Mapping[str, Any], actor: str, reason: str = "") -> int:
        """Put dead letters away without sending them; how many there were."""
        ids = self.selecting.ids(selection)
        with self.platform.database.together() as session:
            count = int(self.platform.dead_letters.discard(ids, actor, reason))
            self.platform.audit.record(
                actor, "dead-letters.discarded", f"dead-letters:{count}", session=session,
                after={"selection": dict(selection), "reason": reason},
            )  # fmt: skip
        self.platform.changes.announce("dead-letters", "replays")
        return count

    def advance(self) -> int:
        """Write what is still to be written of long replays, send what may be sent now; how much."""
        if not self.platform.replay_work.is_any():
            return 0
        return self.preparing.advance() + self.sending.advance()

    @contextmanager
    def _changing(self, actor: str, what: str, id: str) -> Iterator[Any]:
        with self.platform.audit.changing(actor, f"replay.{what}", f"replay:{id}") as change:
            yield change
        self.platform.changes.announce("replays")


def _checked(options: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in options.items() if value not in (None, "")}
    for name in ("canary", "rate"):
        value = kept.get(name)
        if value is not None and (
            isinstance(value, bool) or not isinstance(value, int | float) or value <= 0
        ):
            raise Refused(f"{name} is a number above 0")
    if "canary" in kept:
        kept["canary"] = int(kept["canary"])
    share = kept.get("stop_above")
    if share is not None and (
        isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 1
    ):
        raise Refused("stop_above is a share from 0 to 1")
    if not isinstance(kept.get("prepared_edits", False), bool):
        raise Refused("prepared_edits is true or false")
    edits = kept.get("edits")
    if edits is not None and (
        not isinstance(edits, Mapping)
        or not all(isinstance(patch, list) for patch in edits.values())
    ):
        raise Refused("edits maps a dead letter's id, or *, to a JSON Patch (a list)")
    return kept
