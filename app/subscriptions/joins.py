"""`@on_all`: fan-in. A handler that runs once, when an event of each type has arrived.

    @on_all(["invoice.paid", "parcel.packed"], by="subject", within="24h", emits=["order.shipped"])
    def ship(events, ctx):
        return {"invoice": events["invoice.paid"].data["number"]}

What has arrived is remembered in `ctx.session`, by key and under its lock, so
the handler runs once whatever comes twice, at the same time, or after a crash;
its failure takes only the last arrival with it, which is tried again. Of each
type the first counts. Where the time is over first, `join.expired` says what
had arrived and what had not; whatever comes later changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import wraps
from typing import Any

from app.clock import instant
from app.errors import Refused
from app.events.event import Event
from app.events.filters import Filter
from app.store import cases
from app.store.cases import DONE, EXPIRED, NEW, CaseRow
from app.subscriptions import cases as keyed
from app.subscriptions.cases import DEADLINE
from app.subscriptions.context import Context
from app.subscriptions.declaration import DEFAULT_TIMEOUT, HANDLERS, Handlers, on
from app.subscriptions.retry import RetryPolicy

JOIN_EXPIRED = "join.expired"
WAITING = "waiting"
Handler = Callable[..., Any]


def on_all(
    types: Sequence[str],
    *,
    by: str = "correlationid",
    within: float | str | timedelta | None = None,
    emits: Sequence[str] = (),
    filter: Filter = None,
    lane: str = "default",
    retry: RetryPolicy | None = None,
    timeout: float | None = DEFAULT_TIMEOUT,
    name: str | None = None,
    handlers: Handlers = HANDLERS,
) -> Callable[[Handler], Handler]:
    """Run a function `(events, ctx)` once all `types` have arrived with the same `by`.

    `events` maps each type to its event; `ctx` is that of the last one. `by` is an
    attribute (`correlationid`, `subject`, …) or a path into the data (`data.order_id`);
    `within` counts from the first arrival: seconds, or `"15m"`, `"24h"`, `"7d"`; None waits
    for ever. The other parameters are those of `@on`.
    """
    wanted, declared = tuple(types), (emits,) if isinstance(emits, str) else tuple(emits)

    def register(function: Handler) -> Handler:
        where = f"@on_all for {function.__module__}.{function.__qualname__}"
        if isinstance(types, str) or len(set(wanted)) < 2 or len(set(wanted)) != len(wanted):
            raise Refused(f'{where}: list two or more different types, as in ["a.done", "b.done"]')
        named = name or f"{function.__module__}.{function.__qualname__}"
        join = Join(
            wanted,
            keyed.checked_by(by, where),
            keyed.checked_within(within, where),
            declared,
            function,
        )

        @wraps(function)
        def handle(event: Event, ctx: Context) -> Any:
            return join.handle(event, ctx)

        on(
            *wanted,
            DEADLINE,
            emits=(*declared, JOIN_EXPIRED),
            filter=keyed.with_deadlines(named, filter),
            lane=lane,
            retry=retry,
            timeout=timeout,
            name=named,
            handlers=handlers,
        )(handle)
        return function

    return register


class Join:
    """What one `@on_all` declares, and what it does with an event."""

    def __init__(
        self,
        types: tuple[str, ...],
        by: str,
        within: float | None,
        emits: tuple[str, ...],
        function: Handler,
    ):
        self.types = types
        self.by = by
        self.within = within
        self.emits = emits
        self.function = function

    def handle(self, event: Event, ctx: Context) -> Any:
        """Note an arrival, or that the time is over."""
        if event.type == DEADLINE:
            return self._expire(event, ctx)
        key, now = keyed.key_of(event, self.by), ctx.platform.clock.now()
        ctx.about = key if self.by == "subject" else None
        case = cases.opened(ctx.session, ctx.subscription, key, now)
        _follow_rewind(case, ctx)
        if case.state not in (NEW, WAITING):
            ctx.log.info("an event came after its join was over", key=key, join=case.state)
            return None
        arrived = {event.type: keyed.stored(ctx), **(case.data or {})}
        if case.state == NEW and self.within is not None:
            keyed.set_deadline(ctx, case, key, event, self.within)
        if len(arrived) < len(self.types):
            cases.keep(ctx.session, case, WAITING, arrived, now)
            return None
        cases.keep(ctx.session, case, DONE, None, now)
        keyed.call_back(ctx, key)
        events = {one: keyed.restored(ctx, arrived[one]) for one in self.types}
        return self._typed(self.function(events, ctx), ctx)

    def _typed(self, returned: Any, ctx: Context) -> Any:
        """A plain dict takes the only type that the author's `emits` has: ours is not meant."""
        if isinstance(returned, list | tuple):
            return [self._typed(one, ctx) for one in returned]
        if isinstance(returned, dict) and len(self.emits) == 1:
            return Event(type=self.emits[0], data=returned, time=instant(ctx.platform.clock.now()))
        return returned

    def _expire(self, event: Event, ctx: Context) -> Event | None:
        key, now = event.data["key"], ctx.platform.clock.now()
        case = cases.opened(ctx.session, ctx.subscription, key, now)
        if case.state != WAITING:
            return None
        arrived = {one: Event.from_bytes(case.data[one].encode()) for one in case.data}
        cases.keep(ctx.session, case, EXPIRED, None, now)
        return Event(
            type=JOIN_EXPIRED,
            subject=ctx.subscription,
            partitionkey=key,
            time=instant(now),
            data={
                "join": ctx.subscription,
                "key": key,
                "arrived": {type: one.id for type, one in arrived.items()},
                "missing": [type for type in self.types if type not in arrived],
                "since": instant(case.since).isoformat(),
            },
        )


def _follow_rewind(case: CaseRow, ctx: Context) -> None:
    """After a rewind, what is over begins anew; a replay of one event belongs to what there is."""
    if ctx.replay is None and ctx.generation > case.generation:
        if case.state not in (NEW, WAITING):
            case.state, case.data, case.since = NEW, None, ctx.platform.clock.now()
        case.generation = ctx.generation
