"""What a test sees of the deliveries: read from the records that settles write."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from app.events.event import Event
from app.events.ids import letter_id


@dataclass(frozen=True)
class Delivery:
    """One settled attempt of a delivery.

    `state`: succeeded, retrying, parked, or cancelled (not wanted any more).
    `emitted`: the ids of the events
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
    """A delivery that was parked; `attempts` are `{"at", "error", "traceback"}`, in order.

    `model` is what the last attempt had asked for an answer: a model's name and version.
    """

    id: str
    subscription: str
    event: Event
    reason: str
    attempts: tuple[dict[str, Any], ...]
    generation: int
    model: str | None = None

    @property
    def error(self) -> str:
        """The last attempt's error, `ValueError: message`."""
        return self.attempts[-1]["error"]


class Seen:
    """Deliveries and dead letters, as a test follows them."""

    def __init__(self) -> None:
        self.deliveries: list[Delivery] = []
        self.parked: dict[str, DeadLetter] = {}
        self._sent: dict[str, DeadLetter] = {}

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
            id = letter_id(event["source"], event["id"], record["subscription"])
            if "letter" in told:
                self._park(id, record["subscription"], told)
            elif told["state"] == "cancelled" and id in self._sent:
                self.parked[self._sent[id].id] = self._sent[id]

    def _park(self, id: str, subscription: str, told: dict[str, Any]) -> None:
        letter, before = told["letter"], self._sent.get(id)
        attempts = tuple(letter["attempts"])
        if before is not None and before.id == id:
            attempts = (*before.attempts, *attempts)
        event = Event.from_dict(letter["event"])
        self.parked[id] = DeadLetter(
            id,
            subscription,
            event,
            letter["reason"],
            attempts,
            told["generation"],
            letter.get("model"),
        )

    def take(self, letter: DeadLetter, event: Event) -> None:
        """It is sent again as `event`: no dead letter any more, unless that has no success."""
        self._sent[letter_id(event.source, event.id, letter.subscription)] = letter
        del self.parked[letter.id]
