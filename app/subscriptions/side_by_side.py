"""Releases that run side by side, in a deploy or a rollback: what one says of the other's code.

Every worker says in Redis what its code has (`Workers.say`). What a live one has is neither retired
nor forgotten by one that hasn't; when none has had it for a while, it goes. What SQL lacks, or has
otherwise than any live worker, is declared again: who started last is not always who stays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from app.subscriptions.workers import Code

GONE = 300.0
"""Seconds for which no live worker has it: more than workers take to start after a release."""
ABANDONED = 3600.0
"""The same for commands of modules that this code doesn't import: their workers may be asleep."""

Thing = tuple[str, str]
"""A `subscription`, a `command`, or what a command `takes`; and its name."""


def code_of(platform: Any) -> Code:
    """What the imported modules declare."""
    return Code(sorted(platform.handlers.subscriptions), platform.commands.takes())


def nobodys(platform: Any, live: Sequence[Code | None]) -> Mapping[Thing, float]:
    """What SQL has, and no live worker nor this code; each with the seconds after which it goes.

    Empty where a live worker is of a release that doesn't say what it has.
    """
    found: dict[Thing, float] = {}
    said = [one for one in live if one is not None]
    if len(said) < len(live):
        return found
    said.append(mine := code_of(platform))
    ours = _modules(platform)
    known = {name for one in said for name in one.subscriptions}
    for row in platform.subscription_store.all(active_only=True):
        if row["name"] not in known and row["module"] in ours:  # others are other processes'
            found["subscription", row["name"]] = GONE
    for name, module, takes in platform.commands.rows():
        all_take = {one.commands[name] for one in said if name in one.commands}
        if not all_take:
            found["command", name] = GONE if module in ours else ABANDONED
        elif name in mine.commands and takes not in all_take:
            found["takes", name] = GONE
    return found


def let_go(platform: Any, things: Iterable[Thing]) -> None:
    """Retire these subscriptions, or every run of their types would wait for them; forget these commands."""
    gone = set(things)
    retired = platform.subscription_store.retire(
        name for kind, name in gone if kind == "subscription"
    )
    for name in retired:
        platform.projection.cancel_waiting(name)
    platform.commands.forget(name for kind, name in gone if kind == "command")


def _modules(platform: Any) -> set[str]:
    """Those whose declarations are this code's to take back."""
    handlers = {one.handler.__module__ for one in platform.handlers.subscriptions.values()}
    commands = {one.function.__module__ for one in platform.commands.registry.commands.values()}
    return {*platform.settings.handlers, *handlers, *commands}


class SideBySide:
    """One worker's part in it; `declare` makes known what its code declares."""

    def __init__(self, platform: Any, worker: str, declare: Callable[[Any], None]):
        self.platform = platform
        self.worker = worker
        self.declare = declare
        self._since: dict[Thing, float] = {}
        """When something was first seen that no live worker has."""

    def keep(self) -> None:
        """Say what this code has, see that SQL has it, and let go of what nobody has any more."""
        self.platform.workers.say(self.worker, code_of(self.platform))
        found = nobodys(self.platform, self.platform.workers.code())
        now = self.platform.clock.monotonic()
        self._since = {one: self._since.get(one, now) for one in found}
        gone = {one for one, wait in found.items() if now - self._since[one] >= wait}
        if self._is_lacking() or any(kind == "takes" for kind, _ in gone):
            self.declare(self.platform)
        let_go(self.platform, gone)

    def _is_lacking(self) -> bool:
        """Whether SQL hasn't what this code has: an older release that started later took it for gone."""
        mine = code_of(self.platform)
        active = {row["name"] for row in self.platform.subscription_store.all(active_only=True)}
        known = {name for name, _, _ in self.platform.commands.rows()}
        return not (active.issuperset(mine.subscriptions) and known >= mine.commands.keys())
