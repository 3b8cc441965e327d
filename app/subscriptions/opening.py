"""Step 2 of a delivery: what is this entry?

It is decoded, and judged before anybody handles it: one that can't be read is
parked, as is one that is past its time or has killed its process too often; one
of another type, or kept out by the filter, is passed over. What is left is
handled, with its data as an object of the type's newest class; data that is newer than
that class is left to a worker of the newer release.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from msgspec.structs import force_setattr
from pydantic import ValidationError

from app.clock import Clock, instant
from app.errors import NewerData
from app.events.catalogue import Catalogue
from app.events.event import Event, read_stored
from app.events.filters import compile_filter
from app.events.schema import field_problems
from app.streams.entry import Entry
from app.subscriptions.declaration import Subscription
from app.subscriptions.failure import describe, told
from app.subscriptions.outcomes import EXCLUDED, SURROUNDINGS_WAIT, Again, Outcome, Park

LOSSES, WORKER_LOSSES = 3, 5
"""After how many deaths of its own process, or of the whole worker, an event in hand is parked."""


class Opening:
    """How one subscription's entries are opened, with an operator's changes applied."""

    def __init__(
        self,
        subscription: Subscription,
        catalogue: Catalogue,
        clock: Clock,
        filter: Any = None,
        generation: int = 0,
        rewound: int | None = None,
        skipped: bool = False,
    ):
        self.name = subscription.name
        self.lane = subscription.lane
        self.types = frozenset(subscription.types)
        self.everything = subscription.everything
        self.types_known = catalogue.types
        self.clock = clock
        self.predicate = compile_filter(subscription.filter if filter is None else filter)
        self.generation = generation
        self.rewound = rewound
        self.skipped = skipped

    def open(self, entry: Entry) -> tuple[Event | None, Outcome | None]:
        """The event, if it can be read, and the outcome where there is nothing to handle.

        In one piece, since it is done for every entry: each call more is a share of what it costs.
        """
        try:
            event = read_stored(entry.raw)
        except Exception as error:  # any bytes can lie in a stream
            return None, Park(describe(error, self.name, self.clock.now()), "invalid")
        try:
            if not self.everything and event.type not in self.types:
                return event, EXCLUDED
            if self.predicate is not None and not self.predicate(event):
                return event, EXCLUDED
            if event.expirytime is not None and self._too_late(event.expirytime):
                return event, self._expired(event.expirytime)
            if entry.generation is not None:
                outcome = self._judge_past(entry)
                if outcome is not None:
                    return event, outcome
            if self.everything or (known := self.types_known.newest.get(event.type)) is None:
                return event, None
            data = event.data
            if event.dataschema == known.urn and type(data) is dict:  # as nearly always
                data = known.check(data)
            else:
                data = self.types_known.read(event.type, event.dataschema, data)
            # Nobody else has seen this event yet: a copy would cost more than reading it did.
            force_setattr(event, "data", data)
            return event, None
        except NewerData as error:
            failure = describe(error, self.name, self.clock.now())
            return event, Again(failure, SURROUNDINGS_WAIT, counts=False)
        except ValidationError as error:
            assert known is not None  # only its class raises this
            faults = "; ".join(
                f"{fault['field']}: {fault['problem']}"
                for fault in field_problems(error, known.model)
            )
            return event, Park(told("InvalidData", faults, self.name, self.clock.now()), "invalid")
        except Exception as error:  # an author's upcaster or validator, or a mistake of ours
            return event, Park(describe(error, self.name, self.clock.now()), "invalid")

    def _expired(self, expiry: datetime) -> Park:
        message = f"it was to be handled before {expiry.isoformat()}"
        return Park(told("Expired", message, self.name, self.clock.now()), "expired")

    def _judge_past(self, entry: Entry) -> Outcome | None:
        """What became of an entry that came back, if that decides about it."""
        if self.rewound is not None and self._is_left_behind(entry):
            return EXCLUDED
        if entry.losses >= LOSSES or entry.worker_losses >= WORKER_LOSSES:
            return self._killer(entry)
        return None

    def _too_late(self, expiry: datetime) -> bool:
        """Whether it is over; a time without a zone, which nobody may publish, counts as UTC.

        Never for our own bookkeeping: the archive keeps an event that nobody may handle any more.
        """
        zoned = expiry if expiry.tzinfo else expiry.replace(tzinfo=UTC)
        return zoned < instant(self.clock.now()) and self.lane != "system"

    def _is_left_behind(self, entry: Entry) -> bool:
        """Whether an operator left it out since it came back: its topic brings it once more, or it waited
        in a backlog that was skipped. What has failed before a skip is tried again all the same.
        """
        if (
            entry.generation is None
            or entry.generation >= self.generation
            or entry.replay
            or not entry.origin
        ):
            return False
        if self.skipped and not entry.attempts:
            return True
        position = entry.origin.rpartition(" ")[2]
        return int(position.partition("-")[0]) >= (self.rewound or 0)

    def _killer(self, entry: Entry) -> Park:
        times = (
            f"{entry.losses} times"
            if entry.losses
            else f"{entry.worker_losses} times with its whole worker"
        )
        message = f"the process that handled this event died {times}: out of memory, or a crash in compiled code?"
        return Park(told("ProcessDied", message, self.name, self.clock.now()), "killed")
