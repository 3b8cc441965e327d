"""What can become of an attempt.

Authors raise `Retry` and `Reject`, or return them for single events of a
batch. Inside, every attempt ends as one of four values: `Done`, `Again`,
`Park` or `Excluded`; none of them is a flag.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from app.streams.publisher import Prepared

SURROUNDINGS_WAIT = 5.0
"""Seconds until a delivery is tried again that our surroundings hindered."""


class Retry(Exception):
    """Try this delivery again, after `after` seconds or by the subscription's policy."""

    def __init__(self, why: str = "the handler asked for a retry", *, after: float | None = None):
        super().__init__(why)
        self.after = after


class Reject(Exception):
    """Park this delivery at once, without another attempt."""

    def __init__(self, why: str):
        super().__init__(why)


class Failure(NamedTuple):
    """An attempt's error, told for people and for grouping.

    `error` is `ValueError: message`; `title` the same with numbers and ids
    taken out; `frame` the innermost line of the author's code; `group` 16 hex
    digits that are the same for the same cause; `model` the models that were asked.
    """

    at: float
    error: str
    traceback: str
    title: str
    frame: str
    group: str
    model: str | None = None

    def attempt(self) -> dict[str, Any]:
        """The attempt as it is kept with a delivery."""
        return {"at": self.at, "error": self.error, "traceback": self.traceback}


class Done(NamedTuple):
    """Handled: these events are published with the acknowledgement."""

    events: list[Prepared]


class Again(NamedTuple):
    """Failed: to be tried again after `wait` seconds.

    `counts` is False where our surroundings are to blame: then it is no attempt of the event's.
    `doubtful`: an execution may have committed its database effects all the same.
    """

    failure: Failure
    wait: float
    counts: bool = True
    doubtful: bool = False


class Park(NamedTuple):
    """Failed for good: parked as a dead letter.

    `reason`: exhausted, rejected, expired, killed, timeout or invalid.
    """

    failure: Failure
    reason: str


class Excluded(NamedTuple):
    """Not wanted by the subscription's types or filter: acknowledged, nothing else."""


class Held(NamedTuple):
    """Of an ordered subscription: waits behind a failed delivery of its key."""

    key: str


Outcome = Done | Again | Park | Excluded | Held
EXCLUDED = Excluded()
