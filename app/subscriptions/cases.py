"""What joins and processes share: the key of an event, and the deadline of a case.

A deadline is an event, `deadline.passed`, that waits in the outbox. It is called
back in the transaction that makes it needless. One that is in its topic by then
can't be: so it bears the state that it was set for, and what led there.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from app.clock import duration, instant
from app.errors import Refused
from app.events.event import ATTRIBUTES, Event
from app.events.filters import Filter
from app.events.ids import derived_id
from app.store.cases import CaseRow
from app.subscriptions.context import Context
from app.subscriptions.outcomes import Reject

DEADLINE = "deadline.passed"


def checked_by(by: str, where: str) -> str:
    """The name of the key itself; raises `Refused` where no event can have it."""
    if by.startswith("data.") or by in ATTRIBUTES:
        return by
    raise Refused(
        f'{where}: by={by!r} is no attribute of an event: use "correlationid", "subject",'
        ' "partitionkey", or a path such as "data.order_id"'
    )


def checked_within(within: float | str | timedelta | None, where: str) -> float | None:
    """Seconds; raises `Refused` where it is no time."""
    try:
        seconds = None if within is None else duration(within)
    except (TypeError, ValueError) as error:
        raise Refused(f"{where}: within: {error}") from error
    if seconds is not None and not 0 < seconds < 10 * 365 * 86_400:
        raise Refused(f"{where}: within is more than 0 and less than ten years")
    return seconds


def key_of(event: Event, by: str) -> str:
    """The key of the case that an event belongs to. Raises `Reject` where it has none."""
    value: Any
    if by == "correlationid":
        value = event.correlationid or event.id
    elif by.startswith("data."):
        value = event.data
        for part in by.split(".")[1:]:
            value = value.get(part) if isinstance(value, dict) else getattr(value, part, None)
    else:
        value = getattr(event, by)
    if value is None or isinstance(value, dict | list):
        raise Reject(f"{event.type} {event.id} has no {by}, by which it is to be put together")
    return str(value)


def with_deadlines(name: str, filter: Filter) -> Filter:
    """The author's filter, which the subscription's own deadlines pass, and no others."""
    others: dict[str, Any] = {"not": {"exact": {"type": DEADLINE}}}
    if filter:
        wanted = {"all": filter} if isinstance(filter, list) else filter
        others = {"all": [others, wanted]}
    return {"any": [{"exact": {"type": DEADLINE, "subject": name}}, others]}


def set_deadline(ctx: Context, case: CaseRow, key: str, event: Event, seconds: float) -> None:
    """Have `deadline.passed` come in so many seconds, unless it is called back."""
    call_back(ctx, key)
    now = ctx.platform.clock.now()
    due = now + seconds
    deadline = Event(
        type=DEADLINE,
        id=derived_id("deadline", ctx.subscription, key, event.id, ctx.generation, case.state),
        source=f"/subscriptions/{ctx.subscription}",
        subject=ctx.subscription,
        partitionkey=key,
        time=instant(due),
        data={
            "of": ctx.subscription,
            "key": key,
            "state": case.state,
            "entered": entering(event),
        },
        correlationid=ctx.correlationid,
        causationid=event.id,
    )
    ctx.platform.outbox.add(ctx.session, [deadline], due=due, handle=_handle(ctx, key))


def entering(event: Event) -> str:
    """What tells one time that a case is in a state from the others: the event that led there.

    The same after a rewind, so that a deadline in the history counts again where it did.
    """
    return derived_id("entered", event.source, event.id)


def call_back(ctx: Context, key: str) -> None:
    """The deadline isn't needed any more."""
    ctx.platform.outbox.call_back(ctx.session, _handle(ctx, key))


def _handle(ctx: Context, key: str) -> str:
    return handle_of(ctx.subscription, key)


def handle_of(subscription: str, key: str) -> str:
    """What the deadline of this key is called in the outbox."""
    return f"deadline {subscription} {key}"


def stored(ctx: Context) -> str:
    """The event of this delivery as it came, to be remembered."""
    return ctx.entries[0].raw.decode()


def restored(ctx: Context, text: str) -> Event:
    """A remembered event, with its data as handlers get it."""
    event = Event.from_bytes(text.encode())
    types = ctx.platform.catalogue.types
    if event.type not in types.newest:
        return event
    return event.but(data=types.read(event.type, event.dataschema, event.data))
