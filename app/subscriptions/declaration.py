"""`@on`: a plain function becomes a subscription's handler.

The decorator checks what it is given when the module is imported, so that a
mistake is an error at start and not at three in the morning. It changes
nothing about the function, which stays callable and testable as it is.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from app.errors import Refused
from app.events.filters import Filter, compile_filter
from app.events.topics import check_type
from app.subscriptions.priority import NORMAL, PRIORITIES
from app.subscriptions.retry import RetryPolicy

LANES = ("default", "inference", "training", "system")
EVERYTHING = "*"
DEFAULT_TIMEOUT = 600.0
DEFAULT_RETRY = RetryPolicy()
_FORBIDDEN = set(" \t\r\n:/?#")


@dataclass(frozen=True)
class Subscription:
    """What a handler's author declared.

    `batch` is 0 for a handler of single events, else the most events it takes
    at once; `linger` the seconds it may wait for more; `timeout` seconds per
    event; `start` where a new subscription begins; `priority` who goes first
    where several subscriptions of a lane have work: `high`, `normal` or `low`.
    `effects` is what a second execution does outside of Penstock (None: not declared).
    """

    name: str
    types: tuple[str, ...]
    handler: Callable[..., Any]
    emits: tuple[str, ...] = ()
    filter: Filter = None
    lane: str = "default"
    retry: RetryPolicy = DEFAULT_RETRY
    timeout: float | None = DEFAULT_TIMEOUT
    batch: int = 0
    linger: float = 0.0
    ordered: bool = False
    start: Literal["earliest", "now"] = "earliest"
    priority: str = NORMAL
    effects: Literal["none", "idempotent", "unsafe"] | None = None

    @property
    def everything(self) -> bool:
        """Whether it takes every type of every topic but the system's own."""
        return EVERYTHING in self.types

    def describe(self) -> dict[str, Any]:
        """What is kept of it in SQL: plain JSON values."""
        kept = asdict(self)
        handler = kept.pop("handler")
        return {**kept, "module": handler.__module__, "doc": (handler.__doc__ or "").strip()}


@dataclass
class Handlers:
    """The subscriptions that the imported modules declare, by name."""

    subscriptions: dict[str, Subscription] = field(default_factory=dict)
    schedules: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Cron expression and timezone of what `@every` declares, by name."""

    def add(self, subscription: Subscription) -> None:
        known = self.subscriptions.get(subscription.name)
        if known and not same_function(known.handler, subscription.handler):
            raise Refused(
                f"two handlers are called {subscription.name}: {place_of(known.handler)} and"
                f" {place_of(subscription.handler)}. Give one of them another name=."
            )
        self.subscriptions[subscription.name] = subscription

    def in_lanes(self, lanes: Sequence[str]) -> list[Subscription]:
        return [one for one in self.subscriptions.values() if one.lane in lanes]


HANDLERS = Handlers()
"""Where `@on` registers, as modules are imported."""


def on(
    *types: str,
    emits: Sequence[str] = (),
    filter: Filter = None,
    lane: str = "default",
    retry: RetryPolicy | None = None,
    timeout: float | None = DEFAULT_TIMEOUT,
    batch: int | None = None,
    linger: float = 0.0,
    ordered: bool = False,
    start: Literal["earliest", "now"] = "earliest",
    priority: Literal["low", "normal", "high"] = "normal",
    effects: Literal["none", "idempotent", "unsafe"] | None = None,
    name: str | None = None,
    handlers: Handlers = HANDLERS,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Subscribe a function to one or more event types.

    The function takes `(event, ctx)`, or with `batch=n` a list of up to n
    events and `ctx`. It returns an event payload, a list of them, or nothing;
    with `batch`, a list of such outcomes as long as the batch, or nothing.
    `effects` says what it does outside of Penstock: "none", "idempotent" (a second time
    changes nothing), or "unsafe" (mails, payments); who replays is told.
    `timeout` is in seconds per event (None: no limit), `linger` in seconds.
    Raises `Refused` where a declaration can't work.
    """

    if any(callable(one) for one in types):
        raise Refused('@on: name at least one event type, as in @on("order.placed")')

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        handlers.add(
            checked(
                Subscription(
                    name=name or f"{function.__module__}.{function.__qualname__}",
                    types=tuple(types),
                    handler=function,
                    emits=(emits,) if isinstance(emits, str) else tuple(emits),
                    filter=filter,
                    lane=lane,
                    retry=retry or RetryPolicy(),
                    timeout=timeout,
                    batch=batch or 0,
                    linger=linger,
                    ordered=ordered,
                    start=start,
                    priority=priority,
                    effects=effects,
                )
            )
        )
        return function

    return register


def checked(subscription: Subscription) -> Subscription:
    """The subscription itself; raises `Refused` where it can't work, and says what to change."""
    where = f"@on for {place_of(subscription.handler)}"
    check_function(subscription.handler, where)
    if not subscription.types:
        raise Refused(f'{where}: name at least one event type, as in @on("order.placed")')
    if EVERYTHING in subscription.emits:
        raise Refused(f"{where}: emits lists types by name")
    wanted = [one for one in subscription.types if one != EVERYTHING]
    refuse_types((*wanted, *subscription.emits), where)
    if subscription.lane not in LANES:
        raise Refused(
            f"{where}: there is no lane {subscription.lane!r}; use {', '.join(LANES[:3])}"
        )
    refuse_name(subscription.name, where)
    if not isinstance(subscription.retry, RetryPolicy):
        raise Refused(f"{where}: retry is a RetryPolicy, as in retry=RetryPolicy(attempts=3)")
    timeout = subscription.timeout
    if timeout is not None and not (_is_number(timeout) and timeout > 0):
        raise Refused(f"{where}: timeout is in seconds and more than 0, or None for no limit")
    if not isinstance(subscription.batch, int) or not 0 <= subscription.batch <= 10_000:
        raise Refused(f"{where}: batch is from 1 to 10000")
    if not _is_number(subscription.linger) or not 0 <= subscription.linger <= 60:
        raise Refused(f"{where}: linger is from 0 to 60 seconds")
    if subscription.start not in ("earliest", "now"):
        raise Refused(f'{where}: start is "earliest" or "now"')
    if subscription.priority not in PRIORITIES:
        raise Refused(f"{where}: priority is {', '.join(PRIORITIES[:-1])} or {PRIORITIES[-1]}")
    if subscription.effects not in (None, "none", "idempotent", "unsafe"):
        raise Refused(f'{where}: effects is "none", "idempotent" or "unsafe"')
    try:
        compile_filter(subscription.filter)
    except Refused as error:
        raise Refused(f"{where}: {error}") from error
    return subscription


def check_function(
    function: Any, where: str, what: str = "a handler", takes: Sequence[str] = ("event", "ctx")
) -> None:
    """Raises `Refused` for what can't be called as a handler is, or as `what` is with what it `takes`."""
    if inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function):
        raise Refused(f"{where}: {what} is a plain function, without async and without yield")
    try:
        inspect.signature(function).bind(*takes)
    except TypeError as error:
        raise Refused(f"{where}: {what} takes ({', '.join(takes)}): {error}") from error


def refuse_types(types: Sequence[Any], where: str) -> None:
    """Raises `Refused` for what can't be the name of a type."""
    for one in types:
        if not isinstance(one, str):
            raise Refused(f'{where}: {one!r} is no event type: name them, as in "order.placed"')
        if wrong := check_type(one):
            raise Refused(f"{where}: {one!r}: {wrong}")


def refuse_name(name: Any, where: str) -> None:
    """Raises `Refused` for what can't name a subscription, a projection or a reactor."""
    if (
        not isinstance(name, str)
        or not 0 < len(name) <= 200
        or _FORBIDDEN & set(name)
        or not name.isprintable()
    ):
        raise Refused(f"{where}: the name {name!r} has characters that don't fit into an address")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def place_of(function: Callable[..., Any]) -> str:
    return f"{function.__module__}.{function.__qualname__}"


def same_function(one: Callable[..., Any], other: Callable[..., Any]) -> bool:
    """Whether a module was merely imported twice."""
    return (
        place_of(one) == place_of(other) and one.__code__.co_filename == other.__code__.co_filename
    )
