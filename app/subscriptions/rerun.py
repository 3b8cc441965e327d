"""Running a step of a run again: its event goes to that subscription once more, as a tracked replay.

A step that is parked is replayed as its dead letter, so that the letter closes
when it succeeds; any other as a past event. What the handler emits are new
events with the old one as their cause, so they belong to the same run.
"""

from __future__ import annotations

from typing import Any

from app.errors import Conflict, NotFound
from app.events.ids import letter_id

OPEN = ("waiting", "retrying")


def rerun(
    platform: Any, correlationid: str, event: str, subscription: str, actor: str, reason: str = ""
) -> str:
    """Send a run's event to a subscription that had it; the replay's id.

    Raises `NotFound` where the run has no such step, and `Conflict` where it isn't settled yet.
    """
    run = platform.runs.get(correlationid)
    if run is None:
        raise NotFound(f"There is no run {correlationid!r}.")
    steps = [s for s in run["steps"] if s["event"] == event and s["subscription"] == subscription]
    if not steps:
        raise NotFound(
            f"The run has no step of the event {event!r} in {subscription!r}: its page lists them."
        )
    if steps[0]["state"] in OPEN:
        raise Conflict(
            f"{subscription} has not settled this event yet: it is {steps[0]['state']}. "
            "Wait for its end, or resume what it waits for."
        )
    options = {"reason": reason or f"run {correlationid} again from {subscription}"}
    letter = platform.dead_letters.get(letter_id(steps[0]["source"], event, subscription))
    if letter and letter["state"] == "parked":
        return str(platform.replays.start({"dead_letters": [letter["id"]]}, options, actor))
    selection = {"events": {"ids": [event], "correlationid": correlationid},
                 "subscription": subscription}  # fmt: skip
    return str(platform.replays.start(selection, options, actor))
