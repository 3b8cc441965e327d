"""`@process`: a state machine over a key, with deadlines and compensation.

    @process(by="subject", emits=["payment.requested", "payment.refunded", "order.cancelled"])
    class Checkout(Process):
        amount: int = 0                                      # fields are kept between events

        @when("order.placed", start=True)
        def ask(self, event, ctx):
            self.amount = event.data["total"]
            self.become("unpaid", within="24h")
            return Event(type="payment.requested", data=self.amount)

        @when("payment.received", state="unpaid")
        def paid(self, event, ctx):
            self.finish()

        @when("deadline.passed", state="unpaid")
        def too_late(self, event, ctx):
            return [*self.undo(), Event(type="order.cancelled")]

State, fields and deadline are kept in `ctx.session` under the key's lock, so a
step happens once, and the steps of a key one after the other. What comes before
the process has begun waits for it; what no step takes in its state is ignored.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, NamedTuple

from pydantic import BaseModel, PrivateAttr

from app.errors import Refused
from app.events.event import Event
from app.events.filters import Filter
from app.store import cases
from app.store.cases import DONE, NEW, OVER, UNDONE, CaseRow
from app.subscriptions import cases as keyed
from app.subscriptions.cases import DEADLINE
from app.subscriptions.context import Context
from app.subscriptions.declaration import DEFAULT_TIMEOUT, HANDLERS, Handlers, on
from app.subscriptions.retry import RetryPolicy

EARLY = 100
"""How many events of a key wait for its process to begin; later ones are left out, with a line in the log."""
_STEPS = "__penstock_steps__"


class Step(NamedTuple):
    """What takes an event of a type in a state (None: in any but the first)."""

    type: str
    state: str | None
    start: bool
    function: Callable[..., Any]


class Process(BaseModel):
    """A process of one key. Fields of plain values are kept; so is what these methods say."""

    _state: str = PrivateAttr(default=NEW)
    _within: float | None = PrivateAttr(default=None)
    _moved: bool = PrivateAttr(default=False)
    _undo: list[Any] = PrivateAttr(default_factory=list)

    @property
    def state(self) -> str:
        """The state that it is in; empty before it has begun."""
        return self._state

    def become(self, state: str, within: float | str | timedelta | None = None) -> None:
        """Go into a state; `deadline.passed` comes where it is still in it after `within`."""
        where = f"{type(self).__name__}.become"
        self._move(_checked_state(state, where), keyed.checked_within(within, where))

    def finish(self) -> None:
        """It is over: later events of its key change nothing."""
        self._move(DONE)

    def compensate(self, *events: Event) -> None:
        """Remember how to undo what was just done: these are published by `undo`, the last first."""
        self._undo += [event.to_dict() for event in events]

    def undo(self) -> list[Event]:
        """It has failed and is over: return what this answers, which undoes what was done."""
        self._move(UNDONE)
        undone = [Event.from_dict(event) for event in reversed(self._undo)]
        self._undo = []
        return undone

    def _move(self, state: str, within: float | None = None) -> None:
        self._state, self._within, self._moved = state, within, True


def when(
    *types: str, state: str | Sequence[str] | None = None, start: bool = False
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The method `(self, event, ctx)` takes these types in this state (or these); `start` begins the process."""
    states = (state,) if isinstance(state, str) or state is None else tuple(state)
    for one in states:
        if one is not None:
            _checked_state(one, f"@when({', '.join(map(repr, types))}, state={state!r})")

    if start and state is not None:
        raise Refused(
            f"@when({', '.join(map(repr, types))}, state={state!r}, start=True): a process that begins "
            "is in no state yet, so this would never run: leave state out."
        )

    def mark(function: Callable[..., Any]) -> Callable[..., Any]:
        known = getattr(function, _STEPS, ())
        steps = [Step(type, one, start, function) for type in types for one in states]
        setattr(function, _STEPS, (*known, *steps))
        return function

    return mark


def process(
    *,
    by: str = "correlationid",
    emits: Sequence[str] = (),
    filter: Filter = None,
    lane: str = "default",
    retry: RetryPolicy | None = None,
    timeout: float | None = DEFAULT_TIMEOUT,
    name: str | None = None,
    handlers: Handlers = HANDLERS,
) -> Callable[[type[Process]], type[Process]]:
    """Run a class of `Process` for each key. `by` as in `@on_all`; the other parameters as in `@on`."""

    def register(made: type[Process]) -> type[Process]:
        where = f"@process for {made.__module__}.{made.__qualname__}"
        if not (isinstance(made, type) and issubclass(made, Process)):
            raise Refused(f"{where}: write a class, as in class Checkout(Process)")
        _check_fields(made, where)
        machine = Machine(made, keyed.checked_by(by, where))
        if not any(step.start for step in machine.steps):
            raise Refused(f"{where}: one step begins it: @when(…, start=True)")
        named = name or f"{made.__module__}.{made.__qualname__}"

        def handle(event: Event, ctx: Context) -> Any:
            return machine.handle(event, ctx)

        handle.__module__, handle.__qualname__ = made.__module__, made.__qualname__
        handle.__doc__ = made.__doc__
        setattr(handle, "declared", made)  # noqa: B010 (a function's attribute)
        on(
            *dict.fromkeys(step.type for step in machine.steps if step.type != DEADLINE),
            DEADLINE,
            emits=emits,
            filter=keyed.with_deadlines(named, filter),
            lane=lane,
            retry=retry,
            timeout=timeout,
            name=named,
            handlers=handlers,
        )(handle)
        return made

    return register


class Machine:
    """What a process does with an event."""

    def __init__(self, made: type[Process], by: str):
        self.made = made
        self.by = by
        methods = {name: one for base in reversed(made.__mro__) for name, one in vars(base).items()}
        self.steps: list[Step] = [
            step for one in methods.values() for step in getattr(one, _STEPS, ())
        ]

    def handle(self, event: Event, ctx: Context) -> list[Any] | None:
        """Take the step that an event calls for, if there is one; what it returned."""
        of_time = event.type == DEADLINE
        key = event.data["key"] if of_time else keyed.key_of(event, self.by)
        now = ctx.platform.clock.now()
        ctx.about = key if self.by == "subject" else None
        case = cases.opened(ctx.session, ctx.subscription, key, now)
        _follow_rewind(case, ctx, now)
        kept = case.data or {}
        if of_time and _stale(event, case, kept):
            ctx.log.info("a deadline came after its state was left", key=key, state=case.state)
            return None
        one = self._wake(case, kept)
        step = self._step(one, event.type)
        if step is None:
            if not of_time and case.state == NEW and case.state not in OVER:
                self._remember_early(case, kept, ctx, now)
            if case.state in OVER and any(
                one.start and one.type == event.type for one in self.steps
            ):
                ctx.log.warning(
                    "the process of this key is over, so nothing begins: a key is one case "
                    "(an order, and no customer)",
                    key=key,
                    state=case.state,
                )
            return None
        fields = one.model_dump(mode="json")
        returned = _listed(step.function(one, event, ctx))
        if one.state == NEW:
            _check_declined(one, fields, returned, event)
            if not kept:
                cases.drop(ctx.session, case)
            return None
        for text in kept.get("early", ()):
            early = keyed.restored(ctx, text)
            if following := self._step(one, early.type):
                returned += _listed(following.function(one, early, ctx))
        case.state = one.state
        told = {"fields": one.model_dump(mode="json"), "undo": one._undo}
        if one._moved:
            keyed.call_back(ctx, key)
            told["entered"] = keyed.entering(event)
        elif "entered" in kept:
            told["entered"] = kept["entered"]
        if one._within is not None:
            keyed.set_deadline(ctx, case, key, event, one._within)
        cases.keep(ctx.session, case, one.state, None if one.state in OVER else told, now)
        return returned or None

    def _wake(self, case: CaseRow, kept: dict[str, Any]) -> Process:
        one = self.made.model_validate(kept.get("fields") or {})
        one._state, one._undo = case.state, kept.get("undo") or []
        return one

    def _step(self, one: Process, type: str) -> Step | None:
        for step in self.steps:
            fits = one.state == NEW if step.start else one.state not in (NEW, *OVER)
            if step.type == type and fits and step.state in (None, one.state):
                return step
        return None

    def _remember_early(
        self, case: CaseRow, kept: dict[str, Any], ctx: Context, now: float
    ) -> None:
        early = [*kept.get("early", ()), keyed.stored(ctx)]
        if len(early) > EARLY:
            ctx.log.warning("too many events came before their process began", key=case.key)
            return
        cases.keep(ctx.session, case, NEW, {"early": early}, now)


def _check_fields(made: type[Process], where: str) -> None:
    for name, field in made.model_fields.items():
        if field.is_required():
            raise Refused(f"{where}: give {name} a start value: what it is before the first event")


def _checked_state(state: str, where: str) -> str:
    if not isinstance(state, str) or not state:
        raise Refused(f'{where}: a state is a name, as in "unpaid"')
    if state in OVER:
        raise Refused(
            f"{where}: {state!r} is how a process that is over is kept: take another name for the"
            " state, or end the process with finish() or undo()."
        )
    return state


def _check_declined(
    one: Process, before: dict[str, Any], returned: list[Any], event: Event
) -> None:
    """A start step that moves nowhere leaves its process unbegun. Raises `Refused` where it did something."""
    if returned or one._undo or one.model_dump(mode="json") != before:
        raise Refused(
            f"A start step of {type(one).__qualname__} took {event.type} {event.id} and moved nowhere, so "
            "the process has not begun and what it did would be lost: call become(…), finish() or undo() "
            "in it, or change and return nothing where it is not to begin."
        )


def _stale(deadline: Event, case: CaseRow, kept: dict[str, Any]) -> bool:
    """Whether a deadline was set for another state, or for an earlier time in this one.

    Once it is in its topic nothing calls it back. One that was set before deadlines were
    marked is believed until its process moves on, which marks the process.
    """
    wanted = deadline.data.get("state", case.state), deadline.data.get("entered")
    return wanted != (case.state, kept.get("entered", wanted[1]))


def _listed(returned: Any) -> list[Any]:
    if returned is None:
        return []
    return list(returned) if isinstance(returned, list | tuple) else [returned]


def _follow_rewind(case: CaseRow, ctx: Context, now: float) -> None:
    """After a rewind, what is over begins anew."""
    if ctx.replay is None and ctx.generation > case.generation:
        if case.state in OVER:
            case.state, case.data, case.since = NEW, None, now
        case.generation = ctx.generation
