"""What long work tells while it runs: events of its run, published at once.

Their ids follow from the delivery, its attempt and their number, so a step is
told once. They are told about, not relied upon: where they can't be published
the work goes on.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, Protocol

import structlog

from app.domain.events import BatchProgressed, DatasetProgressed, TrainingProgressed
from app.errors import Unavailable
from app.events.event import Event
from app.events.ids import derived_id
from app.store.archive import Archive

Kind = type[TrainingProgressed] | type[BatchProgressed] | type[DatasetProgressed]


class Publishes(Protocol):
    def publish(self, events: Sequence[Event]) -> list[bool]: ...


class Progress:
    """`kind` is the type's class."""

    def __init__(
        self,
        publisher: Publishes,
        cause: Event,
        delivery: str,
        attempt: int,
        kind: Kind = TrainingProgressed,
    ):
        self._publisher = publisher
        self._cause = cause
        self._kind = kind
        self._name = (delivery, attempt)
        self._begun = time.monotonic()
        self._number = 0

    def tell(self, step: str, share: float) -> None:
        """A step begins; `share` of all are done."""
        cause = self._cause
        about = "dataset" if self._kind is DatasetProgressed else "model"
        name = getattr(cause.data, about)
        self._number += 1
        event = Event(
            type=f"{cause.type.partition('.')[0]}.progressed",
            id=derived_id("progress", *self._name, self._number),
            data=self._kind.model_validate(
                {
                    about: name,
                    "step": step,
                    "share": round(share, 3),
                    "seconds": round(time.monotonic() - self._begun, 3),
                }
            ),
            partitionkey=cause.partitionkey or name,
            subject=cause.subject or name,
            correlationid=cause.correlationid or cause.id,
            causationid=cause.id,
        )
        try:
            self._publisher.publish([event])
        except Unavailable as error:
            structlog.get_logger(__name__).warning("progress not told", step=step, error=str(error))


def under_way(archive: Archive, correlationid: str) -> dict[str, Any] | None:
    """What a run told last, where that is how far it is: `step`, `share` and `seconds`."""
    newest = archive.find(correlationid=correlationid, limit=1).items
    if not newest or not str(newest[0]["type"]).endswith(".progressed"):
        return None
    found: dict[str, Any] = newest[0]["data"]
    return found
