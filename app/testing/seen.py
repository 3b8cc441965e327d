"""What a test sees of the deliveries: read from the records that settles write."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from app.events.event import Event
from app.events.ids import letter_id


@dataclass(frozen=True)
class Delivery:
    """One settled attempt of a delivery.

    `state`: succeeded, retrying or parked. `emitted`: the ids of the events
    that were published with it. `due`: when it is tried again (s since 1970).
    """

    subscription: str
    event: str
    type: str
    state: str
    attempt: int
    generation: int
    error: str | None
    emitted: tuple[str, ...]
    due: float | None
    replay: str | None


@dataclass(frozen=True)
class DeadLetter:
    """A delivery that was parked; `attempts` are `{"at", "error", "traceback"}`, in order."""

    id: str
    subscription: str
    event: Event
    reason: str
    attempts: tuple[dict[str, Any], ...]
    generation: int

    @property
    def error(self) -> str:
        """The last attempt's error, `ValueError: message`."""
        return self.attempts[-1]["error"]


class Seen:
    """Deliveries and dead letters, as a test follows them."""

    def __init__(self) -> None:
        self.deliveries: list[Delivery] = []
        self.parked: dict[str, DeadLetter] = {}
        self._before: dict[str, tuple[dict[str, Any], ...]] = {}

    def note(self, record: dict[str, Any]) -> None:
        """Take in the data of one `penstock.settled` event."""
        for told in record["deliveries"]:
            event = told["event"]
            self.deliveries.append(
                Delivery(
                    subscription=record["subscription"],
                    event=event["id"],
                    type=event["type"],
                    state=told["state"],
                    attempt=told["attempt"],
                    generation=told["generation"],
                    error=told.get("error"),
                    emitted=tuple(told.get("emitted", ())),
                    due=told.get("due"),
                    replay=told.get("replay"),
                )
            )
            if "letter" in told:
                self._park(record["subscription"], told)

    def _park(self, subscription: str, told: dict[str, Any]) -> None:
        event, letter = told["event"], told["letter"]
        id = letter_id(event["source"], event["id"], subscription)
        attempts = (*self._before.get(id, ()), *letter["attempts"])
        self.parked[id] = DeadLetter(
            id,
            subscription,
            _event_of(letter["event"]),
            letter["reason"],
            attempts,
            told["generation"],
        )

    def take(self, letter: DeadLetter) -> None:
        """It is sent again: no dead letter any more, unless it fails again."""
        self._before[letter.id] = letter.attempts
        del self.parked[letter.id]


def _event_of(body: dict[str, Any]) -> Event:
    return Event.from_dict(body)
