"""Penstock: an event-driven platform for AI systems.

Everything that a handler's author needs:

    from app import on, publish, Event, Context, Retry, Reject

Names are loaded when they are first used, and nothing inside `app` imports
this module, so that the layers hold (docs/architecture.md).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from app.cqrs.command import command as command
    from app.cqrs.declaration import projection as projection
    from app.cqrs.declaration import reactor as reactor
    from app.events.event import Event as Event
    from app.events.schema import event_type as event_type
    from app.events.schema import upcast as upcast
    from app.events.sensitive import sensitive as sensitive
    from app.producing import publish as publish
    from app.producing import publish_many as publish_many
    from app.sourcing.aggregate import Aggregate as Aggregate
    from app.sourcing.aggregate import applies as applies
    from app.sourcing.decider import Decider as Decider
    from app.subscriptions.context import Context as Context
    from app.subscriptions.declaration import on as on
    from app.subscriptions.joins import on_all as on_all
    from app.subscriptions.outcomes import Reject as Reject
    from app.subscriptions.outcomes import Retry as Retry
    from app.subscriptions.processes import Process as Process
    from app.subscriptions.processes import process as process
    from app.subscriptions.processes import when as when
    from app.subscriptions.retry import RetryPolicy as RetryPolicy
    from app.subscriptions.schedule import every as every

_HOMES = {
    "Aggregate": "app.sourcing.aggregate",
    "Context": "app.subscriptions.context",
    "Decider": "app.sourcing.decider",
    "Event": "app.events.event",
    "Reject": "app.subscriptions.outcomes",
    "Retry": "app.subscriptions.outcomes",
    "RetryPolicy": "app.subscriptions.retry",
    "applies": "app.sourcing.aggregate",
    "command": "app.cqrs.command",
    "event_type": "app.events.schema",
    "every": "app.subscriptions.schedule",
    "on": "app.subscriptions.declaration",
    "on_all": "app.subscriptions.joins",
    "Process": "app.subscriptions.processes",
    "process": "app.subscriptions.processes",
    "projection": "app.cqrs.declaration",
    "publish": "app.producing",
    "publish_many": "app.producing",
    "reactor": "app.cqrs.declaration",
    "sensitive": "app.events.sensitive",
    "upcast": "app.events.schema",
    "when": "app.subscriptions.processes",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"app has no {name!r}; it has {', '.join(__all__)}")
    value = globals()[name] = getattr(import_module(home), name)
    return value


def __dir__() -> list[str]:
    return __all__
