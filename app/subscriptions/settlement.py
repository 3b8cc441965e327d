"""The settle: outcomes in, one atomic step out.

Turns the outcomes of a stream's entries into the steps of `settle.lua` and the
record that the projector reads. Where some entries are no longer the lease's
own (it was fenced), those are left out and the rest is settled: what is gone
never comes back, so this ends.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import msgspec

from app.events.event import Event
from app.events.ids import derived_id
from app.events.topics import SETTLED
from app.streams import keys
from app.streams.broker import Broker, Step
from app.streams.entry import Entry
from app.subscriptions.code import code_version
from app.subscriptions.delivery import NOTHING, Handling
from app.subscriptions.outcomes import Again, Done, Excluded, Held, Outcome, Park
from app.telemetry.histogram import bucket_of, span

SLOW = 1.0
"""Seconds of handling from which a `packed` delivery gets a row of its own."""
_PLAIN_ATTRIBUTES = (
    "id",
    "source",
    "type",
    "correlationid",
    "causationid",
    "partitionkey",
    "subject",
    "time",
)


class Settled(msgspec.Struct, gc=False):
    """One entry with its outcome; times in seconds since 1970, `event` None where it can't be read."""

    entry: Entry
    event: Event | None
    outcome: Outcome
    started: float
    ended: float


class Settlement:
    """Settles for one consumer on one subscription."""

    def __init__(self, broker: Broker, handling: Handling, consumer: str, worker: str):
        self.broker = broker
        self.handling = handling
        self.consumer = consumer
        self.worker = worker

    def settle(self, work: Sequence[Settled]) -> list[Settled]:
        """Settle entries of one stream; those that were fenced are returned."""
        fenced: list[Settled] = []
        group = self.handling.name
        while work:
            steps = [
                step
                for one in work
                if one.outcome is not NOTHING or one.entry.head
                for step in self.steps(one)
            ]
            ids = [one.entry.id for one in work]
            stream = work[0].entry.stream
            foreign = set(
                self.broker.settle(group, self.consumer, stream, ids, steps, self.record(work))
            )
            if not foreign:
                break
            fenced += [one for one in work if one.entry.id in foreign]
            work = [one for one in work if one.entry.id not in foreign]
        return fenced

    def steps(self, one: Settled) -> list[Step]:
        """What is written with the acknowledgement of one entry."""
        match one.outcome:
            case Done(events):
                outputs: list[Step] = [
                    ["add", prepared.stream, "e", prepared.stored] for prepared in events
                ]
                return outputs + self._next_of_key(one)
            case Again(failure, wait, counts, doubtful):
                attempts = (
                    [*one.entry.attempts, failure.attempt()] if counts else one.entry.attempts
                )
                return self._delay(one, wait, attempts, doubtful)
            case Park():
                return self._next_of_key(one)
            case Held(key):
                held = keys.held(self.handling.name, keys.partition_of(one.entry.stream), key)
                return [["hold", held, *self._fields(one.entry, head=True)]]
            case Excluded():
                return self._next_of_key(one)
        raise AssertionError(f"unknown outcome {one.outcome!r}")

    def _delay(
        self, one: Settled, wait: float, attempts: Sequence[dict[str, Any]], suspect: bool
    ) -> list[Step]:
        key = self._ordered_key(one)
        fields = self._fields(one.entry, attempts=attempts, suspect=suspect, head=key is not None)
        partition = keys.partition_of(one.entry.stream)
        again = keys.again_stream(self.handling.name, partition)
        # The member is derived: a settle that is repeated after a lost reply delays nothing twice.
        member = derived_id("again", self.handling.name, one.entry.stream, one.entry.id)
        steps: list[Step] = [["delay", int(wait * 1000), member, again, *fields]]
        if key is not None and not one.entry.head:
            steps.append(["block", keys.blocked(self.handling.name, partition), key])
        return steps

    def _next_of_key(self, one: Settled) -> list[Step]:
        """After the first of a key that waited, the next one comes."""
        key = self._ordered_key(one)
        if key is None or not one.entry.head:
            return []
        name, partition = self.handling.name, keys.partition_of(one.entry.stream)
        return [
            [
                "next",
                keys.blocked(name, partition),
                key,
                keys.held(name, partition, key),
                keys.again_stream(name, partition),
            ]
        ]

    def _ordered_key(self, one: Settled) -> str | None:
        """The key whose order this delivery takes part in; replays stand outside of it."""
        if not self.handling.subscription.ordered or one.entry.replay or one.event is None:
            return None
        return one.event.partitionkey

    def _fields(self, entry: Entry, **changes: Any) -> list[bytes | str]:
        return entry.fields(generation=self.handling.generation_of(entry), **changes)

    # -- the record

    def record(self, work: Sequence[Settled]) -> bytes:
        """The stored form of the `penstock.settled` event for these deliveries; empty in the system lane."""
        if self.handling.subscription.lane == "system":
            # Records of our own work would never end; what is parked must be seen all the same.
            work = [one for one in work if isinstance(one.outcome, Park)]
            if not work:
                return b""
        counts = {"succeeded": 0, "retrying": 0, "parked": 0, "excluded": 0, "held": 0}
        deliveries = []
        quiet = 0
        waited = waited_max = worked = worked_max = 0.0
        packed = True
        waits: dict[int, int] = {}
        works: dict[int, int] = {}
        # Neighbours mostly have the same type and lengths, and came within the same millisecond:
        # what was worked out for one is kept for the next.
        came, moment, kind, told = 0.0, b"", "", False
        wait_in = work_in = 0
        wait_low = wait_high = work_low = work_high = 0.0
        index, total = 0, len(work)
        while index < total:
            one = work[index]
            index += 1
            entry, event, outcome = one.entry, one.event, one.outcome
            started, ended = one.started, one.ended
            state = "succeeded" if outcome is NOTHING else _STATES[type(outcome)]
            if state == "excluded" or state == "held":
                counts[state] += 1
                if state == "excluded" and self._was_told(entry):
                    packed = False
                    deliveries.append(self._delivery(one, "cancelled"))
                continue
            if event is not None and event.type != kind:
                kind = event.type
                told = self.handling.tracking_of(kind) == "run"
            took = ended - started
            like = 1
            calm = event is not None and not told and state == "succeeded" and took < SLOW
            if calm and index < total and work[index].started == started:
                like = _alike(work, index - 1)
                index += like - 1
            worked += took * like
            if took > worked_max:
                worked_max = took
            if not work_low <= took < work_high:
                work_in = bucket_of(took)
                work_low, work_high = span(work_in)
            works[work_in] = works.get(work_in, 0) + like
            if entry.id[:14] != moment:  # 13 digits and the dash
                moment = entry.id[:14]
                came = int(entry.id.partition(b"-")[0]) / 1000  # when it came into its stream
            wait = started - came
            if not wait_low <= wait < wait_high:
                wait_in = bucket_of(wait)
                wait_low, wait_high = span(wait_in)
            waits[wait_in] = waits.get(wait_in, 0) + like
            if wait > 0.0:  # the server's clock may be ahead
                waited += wait * like
                if wait > waited_max:
                    waited_max = wait
            if event is None or told:
                packed = False
            elif calm and not (entry.attempts or entry.replay):
                quiet += like
                continue
            counts[state] += 1
            deliveries.append(self._delivery(one, state))
        counts["succeeded"] += quiet
        del counts["held"]
        data = {
            "subscription": self.handling.name,
            "lane": self.handling.subscription.lane,
            "worker": self.worker,
            "tracking": "packed" if packed else "run",
            "counts": counts,
            "waited": {"sum": waited, "max": waited_max, "in": waits},
            "worked": {"sum": worked, "max": worked_max, "in": works},
            "at": work[-1].ended,
            "deliveries": deliveries,
        }
        return Event(type=SETTLED, source=f"/workers/{self.worker}", data=data).to_bytes()

    def _was_told(self, entry: Entry) -> bool:
        """Whether somebody waits to hear the end of a delivery that is not wanted any more."""
        return entry.replay is not None or (
            bool(entry.attempts) and entry.generation == self.handling.generation
        )

    def _delivery(self, one: Settled, state: str) -> dict[str, Any]:
        entry, event, outcome = one.entry, one.event, one.outcome
        described = _event_attributes(event) if event is not None else _unreadable(entry)
        told: dict[str, Any] = {
            "event": described,
            "generation": self.handling.generation_of(entry),
            "attempt": len(entry.attempts) + 1,
            "state": state,
            "published": event.recordedtime.timestamp()
            if event is not None and event.recordedtime
            else one.started,
            "started": one.started,
            "ended": one.ended,
            "replay": entry.replay,
        }
        if isinstance(outcome, Done):
            told["emitted"] = [prepared.event.id for prepared in outcome.events]
        elif isinstance(outcome, Again):
            told["due"] = one.ended + outcome.wait
            told |= {"error": outcome.failure.error, "traceback": outcome.failure.traceback}
        elif isinstance(outcome, Park):
            failure = outcome.failure
            told |= {"error": failure.error, "traceback": failure.traceback}
            told["letter"] = {
                # As it came: a handler may have changed the data, or an upcaster has.
                "event": Event.from_bytes(entry.raw).to_dict() if event is not None else described,
                "reason": outcome.reason,
                "attempts": [*entry.attempts, failure.attempt()],
                "group": failure.group,
                "title": failure.title,
                "frame": failure.frame,
                "code": code_version(self.handling.subscription.handler, self.handling.platform),
                "model": failure.model,
            }
        return told


def _alike(work: Sequence[Settled], first: int) -> int:
    """How many deliveries from there on count alike: first ones that came and were handled together."""
    one = work[first]
    if one.outcome is not NOTHING or one.entry.generation is not None or one.event is None:
        return 1
    started, ended, moment, kind = one.started, one.ended, one.entry.id[:14], one.event.type
    for index in range(first + 1, len(work)):
        other = work[index]
        if (
            other.started != started
            or other.ended != ended
            or other.outcome is not NOTHING
            or other.entry.generation is not None
            or other.entry.id[:14] != moment
            or other.event is None
            or other.event.type != kind
        ):
            return index - first
    return len(work) - first


_STATES = {Done: "succeeded", Again: "retrying", Park: "parked", Excluded: "excluded", Held: "held"}


def _event_attributes(event: Event) -> dict[str, Any]:
    return {
        name: value for name in _PLAIN_ATTRIBUTES if (value := getattr(event, name)) is not None
    }


def _unreadable(entry: Entry) -> dict[str, Any]:
    """What stands for an event that can't be read."""
    return {
        "specversion": "1.0",
        "id": entry.id.decode(),
        "source": f"/streams/{entry.stream}",
        "type": "unreadable",
        "data_base64": base64.b64encode(entry.raw).decode(),
    }
