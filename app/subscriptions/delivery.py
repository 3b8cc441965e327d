"""The life of a delivery.

 1. A lease reads entries of a subscription's streams; from then on they are
    pending for its consumer, a name that no other lease ever has.
 2. Each entry is decoded. One that can't be read is parked (`invalid`), one
    past its `expirytime` is parked (`expired`), one of another type or kept
    out by the filter is acknowledged and counted, nothing more. One of a newer
    version than this code has is tried again until a newer worker takes it.
 3. The handler is called with the event, as an object of its schema, and a
    context. The slot says which event is in hand, and until when.
 4. What it returns and emits becomes events, checked against their schemas.
    Something it must not return, or give to a command, parks the delivery
    (`invalid`): trying again would bring the same.
 5. If it wrote to `ctx.session`, that is committed now, with the outputs.
 6. An exception becomes a failure: `Reject` parks (`rejected`), anything else
    is tried again by the retry policy until that is exhausted and it is parked.
    A batch that fails as a whole is handled again one by one, at once, so that
    one bad event costs its neighbours nothing.
 7. The settle: one atomic step that checks the ownership of every entry,
    writes outputs, retries, dead letters and the record, and acknowledges.
    (`settlement.py`)
 8. If the process dies before that, whoever notices gives the entries back:
    its parent at once, another worker when the beats stop. (`reclaim.py`)

This module is steps 3 to 6: events in, outcomes out, no I/O but the handler's.
Step 2 is `opening.py`.
"""

from __future__ import annotations

from asyncio import CancelledError
from collections.abc import Sequence
from typing import Any

import msgspec

from app.clock import Clock, instant
from app.errors import EventTooLarge, InvalidCommand, InvalidEvents, Unavailable
from app.events.catalogue import Catalogue
from app.events.event import Event
from app.events.ids import delivery_id
from app.streams.entry import Entry
from app.streams.publisher import Prepared, Preparer
from app.subscriptions import model_in_use
from app.subscriptions.context import Context
from app.subscriptions.declaration import Subscription
from app.subscriptions.effects import AlreadyDone, committed
from app.subscriptions.failure import describe
from app.subscriptions.opening import Opening
from app.subscriptions.outcomes import (
    SURROUNDINGS_WAIT,
    Again,
    Done,
    Failure,
    Outcome,
    Park,
    Reject,
    Retry,
)
from app.subscriptions.outputs import InvalidOutput, outputs_of
from app.subscriptions.retry import RetryPolicy

CALM = (Unavailable,)
"""Errors of our surroundings: tried again without end, since no event is to blame."""
RAISED = (Exception, SystemExit, CancelledError)
"""What a handler may fail with: a cancelled coroutine of its own is an error of its own."""

NOTHING = Done([])


class Handling:
    """How one subscription handles entries, with an operator's changes applied."""

    def __init__(
        self,
        subscription: Subscription,
        catalogue: Catalogue,
        preparer: Preparer,
        clock: Clock,
        platform: Any = None,
        database: Any = None,
        retry: RetryPolicy | None = None,
        filter: Any = None,
        timeout: float | None = None,
        generation: int = 0,
        rewound: int | None = None,
        skipped: bool = False,
        concurrency: int | None = None,
        rate: float | None = None,
    ):
        self.subscription = subscription
        self.handler = subscription.handler
        self.name = subscription.name
        self.catalogue = catalogue
        self.preparer = preparer
        self.clock = clock
        self.platform = platform
        self.database = database
        self.retry = retry or subscription.retry
        self.timeout = subscription.timeout if timeout is None else timeout
        self.generation = generation
        self.open = Opening(
            subscription, catalogue, clock, filter, generation, rewound, skipped
        ).open
        self.concurrency = concurrency
        self.rate = rate
        self.committed = False
        """Whether database effects were committed since the last settle, which is then due at once."""
        self._tracking: dict[str, str] = {}

    def tracking_of(self, event_type: str) -> str:
        """How much is kept of this type's deliveries: `run` or `packed`."""
        tracking = self._tracking.get(event_type)
        if tracking is None:
            tracking = self._tracking[event_type] = self.catalogue.tracking_of(event_type)
        return tracking

    # -- steps 3 to 6, one event

    def attempt(self, entry: Entry, event: Event) -> Outcome:
        """Handle one event."""
        if self.subscription.batch:
            return self.attempt_batch([entry], [event])[0]
        context = Context(self, (entry,), event)
        model_in_use.forget()
        try:
            if entry.suspect and (done := self._done_before([entry], [event])):
                return done[0]
            returned = self.handler(event, context)
            if returned is None and not context.emitted and context.effects is None:
                return NOTHING
            if isinstance(returned, Retry | Reject):  # as a value, as in a batch
                raise returned
            outcome = Done(self._outputs(returned, context.emitted, entry, event, context.about))
            return self._commit(context, [(entry, event, outcome)])[0]
        except RAISED as error:
            return self._failed(context, [entry], [event], error)[0]

    # -- steps 3 to 6, a batch

    def attempt_batch(self, entries: Sequence[Entry], events: Sequence[Event]) -> list[Outcome]:
        """Handle events together; one outcome for each."""
        context = Context(self, entries, events[0])
        model_in_use.forget()
        try:
            suspect = any([entry.suspect for entry in entries])
            if suspect and (done := self._done_before(entries, events)):
                return done
            returned = self.subscription.handler(list(events), context)
            if returned is None and not context.emitted and context.effects is None:
                return [NOTHING] * len(entries)
            results = self._split(returned, context, len(events))
        except RAISED as error:
            if len(entries) == 1:
                return self._failed(context, entries, events, error)
            self._abandon(context, error)
            return [
                self.attempt(entry, event) for entry, event in zip(entries, events, strict=True)
            ]
        work = [
            (entry, event, self._judge(result, emitted, entry, event))
            for (result, emitted), entry, event in zip(results, entries, events, strict=True)
        ]
        try:
            return self._commit(context, work)
        except Exception as error:
            return self._failed(context, entries, events, error)

    @staticmethod
    def _split(returned: Any, context: Context, count: int) -> list[tuple[Any, list[Any]]]:
        """The result of each event of a batch; what was emitted by `ctx` goes with the first success."""
        if returned is None:
            returned = [None] * count
        if not isinstance(returned, list | tuple) or len(returned) != count:
            found = len(returned) if isinstance(returned, list | tuple) else type(returned).__name__
            raise InvalidOutput(
                f"a batch of {count} events needs a list of {count} outcomes (or nothing), got {found}"
            )
        failures = [isinstance(one, Retry | Reject) for one in returned]
        first = failures.index(False) if False in failures else -1
        return [
            (one, context.emitted if index == first else []) for index, one in enumerate(returned)
        ]

    def _judge(self, result: Any, emitted: list[Any], entry: Entry, event: Event) -> Outcome:
        """The outcome of one event of a batch from what the handler returned for it."""
        try:
            if isinstance(result, Retry | Reject):
                raise result
            return Done(self._outputs(result, emitted, entry, event))
        except Exception as error:
            return self._judged(entry, error)

    # -- shared steps

    def generation_of(self, entry: Entry) -> int:
        return self.generation if entry.generation is None else entry.generation

    def _outputs(
        self,
        returned: Any,
        emitted: list[Any],
        entry: Entry,
        event: Event,
        about: str | None = None,
    ) -> list[Prepared]:
        if returned is None and not emitted:
            return []
        events = outputs_of(
            returned,
            emitted,
            event,
            self.name,
            self.generation_of(entry),
            self.subscription.emits,
            self.catalogue,
            instant(self.clock.now()),
            about,
        )
        return self.preparer.prepare(events)

    def _done_before(
        self, entries: Sequence[Entry], events: Sequence[Event]
    ) -> list[Outcome] | None:
        """The outcomes of suspects from an execution whose database effects are committed, if any.

        Only a suspect can have one: a fresh entry was never begun, and a failed attempt rolled back
        (where that is in doubt, it comes back as a suspect).
        """
        if self.database is None:
            return None
        ids = [
            self._delivery_id(entry, event) for entry, event in zip(entries, events, strict=True)
        ]
        done = committed(self.database, ids)
        if not done:
            return None
        if len(done) == len(entries):
            return [self._redone(done[id]) for id in ids]
        # A batch that was partly done: each by itself.
        return [self.attempt(entry, event) for entry, event in zip(entries, events, strict=True)]

    def _redone(self, outputs: list[Any]) -> Done:
        return Done(self.preparer.prepare([Event.from_dict(output) for output in outputs]))

    def _delivery_id(self, entry: Entry, event: Event) -> str:
        return delivery_id(event.source, event.id, self.name, self.generation_of(entry))

    def _commit(
        self, context: Context, work: Sequence[tuple[Entry, Event, Outcome]]
    ) -> list[Outcome]:
        """Step 5; the outcomes, or those of whoever committed first."""
        if context.effects is None or not context.effects.begun:
            return [outcome for _, _, outcome in work]
        self.committed = True
        outputs = {
            self._delivery_id(entry, event): [one.event.to_dict() for one in outcome.events]
            for entry, event, outcome in work
            if isinstance(outcome, Done)
        }
        try:
            context.effects.commit(outputs, self.clock.now())
        except AlreadyDone as first:
            if len(work) == 1:
                return [self._redone(outputs) for outputs in first.outputs.values()]
            return [
                self.attempt(msgspec.structs.replace(entry, suspect=True), event)
                for entry, event, _ in work
            ]
        return [outcome for _, _, outcome in work]

    @staticmethod
    def _abandon(context: Context, error: BaseException) -> BaseException:
        """Roll back what the handler wrote; what it failed with."""
        return error if context.effects is None else context.effects.abandon(error)

    def _failed(
        self,
        context: Context,
        entries: Sequence[Entry],
        events: Sequence[Event],
        error: BaseException,
    ) -> list[Outcome]:
        """What follows; where another execution may have committed, only after a look at that.

        That one's effects may be what this one failed with, and its outputs are still to be published.
        """
        error = self._abandon(context, error)
        outcomes = [self._judged(entry, error) for entry in entries]
        if not (context.effects and context.effects.uncertain) and not entries[0].suspect:
            return outcomes  # suspects come alone
        try:
            if done := self._done_before(entries, events):
                return done
        except Unavailable as away:
            outcomes = [self._judged(entry, away) for entry in entries]
        return [one._replace(doubtful=True) if isinstance(one, Again) else one for one in outcomes]

    def _judged(self, entry: Entry, error: BaseException) -> Outcome:
        """Step 6."""
        failure = describe(error, self.name, self.clock.now())
        if isinstance(error, Reject):
            return Park(failure, "rejected")
        if isinstance(error, InvalidOutput | InvalidEvents | InvalidCommand | EventTooLarge):
            return Park(failure, "invalid")
        if isinstance(error, CALM):
            return Again(failure, SURROUNDINGS_WAIT, counts=False)
        return self.after_failure(entry, failure, error.after if isinstance(error, Retry) else None)

    def after_failure(
        self, entry: Entry, failure: Failure, after: float | None = None
    ) -> Again | Park:
        """What follows a failed attempt by the retry policy; `after` is the author's own wait in seconds."""
        wait = self.retry.wait(len(entry.attempts) + 1)
        if wait is None:
            return Park(failure, "exhausted")
        return Again(failure, wait if after is None else max(0.0, after))
