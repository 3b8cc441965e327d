"""What operators do with failures: a group's life, and edits prepared for a replay.

Every change is in the audit with what was before and after, and announced to open pages.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jsonpatch

from app.errors import NotFound, Refused
from app.subscriptions.edits import child_of


class Failures:
    """The operators' functions on groups of dead letters, and on one of them."""

    def __init__(self, platform: Any):
        self.platform = platform
        self.store = platform.failure_groups

    def groups(self, **filters: Any) -> list[dict[str, Any]]:
        return list(self.store.find(**filters))

    def with_bars(self, groups: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """These groups, each with how often it happened over their time."""
        return list(self.store.with_bars(groups))

    def waiting(self) -> int:
        """How many groups have something parked and nobody at it."""
        return int(self.store.waiting())

    def group(self, id: str) -> dict[str, Any]:
        """One group. Raises `NotFound`."""
        found = self.store.get(id)
        if found is None:
            raise NotFound(
                f"There is no group {id!r}: `python -m app dead-letters groups` lists them."
            )
        return dict(found)

    def beginning(self, id: str, limit: int) -> list[dict[str, Any]]:
        return list(self.store.beginning(id, limit))

    def acknowledge(self, id: str, actor: str, note: str = "") -> dict[str, Any]:
        """Say that somebody is at it. Raises `NotFound`, as do those below."""
        return self._change(actor, "acknowledged", id, self.store.acknowledge, note)

    def ignore(
        self, id: str, actor: str, note: str = "", until: Any = None, above: int | None = None
    ) -> dict[str, Any]:
        """Ask nobody until a time, or until it happens more than `above` times a minute."""
        return self._change(actor, "ignored", id, self.store.ignore, note, until, above)

    def reopen(self, id: str, actor: str, note: str = "") -> dict[str, Any]:
        """Ask for a person again."""
        return self._change(actor, "reopened", id, self.store.reopen, note)

    def prepare_edit(
        self, id: str, patch: Sequence[Mapping[str, Any]], actor: str
    ) -> dict[str, Any]:
        """Keep an edit for the letter's next replay, checked as it will be; the letter.

        Raises `NotFound`, `Conflict` where it isn't parked, `Refused` or `InvalidEvents` where
        the edit doesn't fit.
        """
        letter = self._letter(id)
        child = child_of(self.platform, letter["event"], patch, letter["subscription"], "prepared")
        smallest = jsonpatch.make_patch(
            {name: letter["event"].get(name) for name in ("data", "subject")},
            {name: child.to_dict().get(name) for name in ("data", "subject")},
        ).patch
        if not smallest:
            raise Refused("The edit changes nothing: it is kept only where it does.")
        target = f"dead-letter:{id}"
        with self.platform.audit.changing(actor, "dead-letter.edit-prepared", target) as change:
            change.before, change.after = letter["edit"] and letter["edit"]["patch"], list(patch)
            self.platform.dead_letters.prepare(id, patch, actor)
        self.platform.changes.announce("dead-letters")
        return self._letter(id)

    def drop_edit(self, id: str, actor: str) -> dict[str, Any]:
        """Take a prepared edit away: the letter would be sent as it was parked."""
        letter = self._letter(id)
        target = f"dead-letter:{id}"
        with self.platform.audit.changing(actor, "dead-letter.edit-dropped", target) as change:
            change.before = letter["edit"] and letter["edit"]["patch"]
            self.platform.dead_letters.prepare(id, None, actor)
        self.platform.changes.announce("dead-letters")
        return self._letter(id)

    def last_success(self, letter: Mapping[str, Any]) -> dict[str, Any] | None:
        """The last event of this type that the subscription handled: `event`, `at`; None if none."""
        found = self.store.last_success(letter["subscription"], letter["event"]["type"])
        kept = found and self.platform.archive.get(found["event_id"])
        if not kept:
            return None
        return {"event": kept["event"], "at": found["at"], "correlationid": found["correlationid"]}

    def _letter(self, id: str) -> dict[str, Any]:
        found = self.platform.dead_letters.get(id)
        if found is None:
            raise NotFound(f"There is no dead letter {id!r}: the page Failures lists them.")
        return dict(found)

    def _change(
        self, actor: str, what: str, id: str, change: Callable[..., Any], *arguments: Any
    ) -> dict[str, Any]:
        told = ("state", "note", "until", "above")
        with self.platform.audit.changing(actor, f"failure-group.{what}", f"group:{id}") as line:
            changed: tuple[Mapping[str, Any], dict[str, Any]] = change(id, actor, *arguments)
            line.before, line.after = ({name: one[name] for name in told} for one in changed)
        self.platform.changes.announce("dead-letters")
        return changed[1]
