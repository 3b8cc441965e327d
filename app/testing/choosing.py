"""Which handlers a test means: by module, function or name."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any

from app.cqrs import giving
from app.cqrs.command import COMMANDS
from app.cqrs.declaration import FOLLOWERS
from app.errors import Refused
from app.subscriptions.declaration import HANDLERS, Handlers, Subscription

OURS = ("app.subscriptions.system", "app.cqrs.as_of.answering")
Chosen = ModuleType | Callable[..., Any] | str


def chosen(wanted: Iterable[Chosen] | None) -> Handlers:
    """The handlers that a test asks for. Raises `Refused` for what has none."""
    theirs = {
        name: one
        for name, one in HANDLERS.subscriptions.items()
        if one.handler.__module__ not in OURS
    }
    ours = Handlers(theirs, dict(HANDLERS.schedules))
    if wanted is None:
        return ours
    given = HANDLERS.subscriptions[giving.NAME]  # commands are carried out in a test, too
    found = {one.name: one for choice in wanted for one in pick(ours, choice)}
    found[given.name] = given
    schedules = {name: told for name, told in ours.schedules.items() if name in found}
    return Handlers(found, schedules)


def pick(handlers: Handlers, choice: Chosen) -> list[Subscription]:
    """The subscriptions that a module, a function or a name stands for."""
    found = [
        one
        for one in handlers.subscriptions.values()
        if choice in (one.name, one.handler)
        or choice in (getattr(one.handler, mark, None) for mark in ("__wrapped__", "declared"))
        or (isinstance(choice, ModuleType) and one.handler.__module__ == choice.__name__)
    ]
    if not found:
        if any(choice is one.function for one in FOLLOWERS.declared.values()):
            raise Refused(
                f"{choice!r} is a projection or a reactor: those are always there, so leave it out of handlers="
            )
        if any(choice is one.function for one in COMMANDS.commands.values()):
            raise Refused(
                f"{choice!r} is a command: those are always there, so leave it out of handlers=, and give it by "
                "platform.platform.commands or ctx.command."
            )
        known = ", ".join(sorted(handlers.subscriptions)) or "none"
        raise Refused(f"{choice!r} has no handler: is it decorated with @on? Known are: {known}.")
    return found
