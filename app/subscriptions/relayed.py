"""Where the relay goes on in the event store, when a server has lost what it was given.

The server bears a note of how far it came, written behind the events: after a crash that took
the end of its file it stands as far back as they do, and everything from there is published again.
Where there is no note the server is empty, or an older release gave it what it has. Then what the
archive has not got either is published again, as far back as doubles are told by (source, id):
on a server that still has it, nothing comes of that.
"""

from __future__ import annotations

from typing import Any

import structlog

from app.events.event import PRIVATE

PART = 500
"""Events that are compared with the archive at once. Where it has all of them, it has those before."""

log = structlog.get_logger(__name__)


def place(platform: Any, position: int) -> int:
    """`position`, up to which all was given to a server, or what this one stands at."""
    reached = platform.publisher.reached()
    if reached is None:
        reached = _archived(platform, position)
        platform.publisher.note_reached(reached)
    if reached < position:
        log.warning(
            "Redis stands behind what it was given of the event store: that is published again",
            since=reached,
            to=position,
        )
    return min(position, reached)


def _archived(platform: Any, position: int) -> int:
    """The place before the first event that the archive lacks, among the last ones."""
    oldest = platform.clock.now() - platform.settings.publish_window
    store, place, end = platform.event_store, position, position
    while end > 0:
        begin = max(0, end - PART)
        found = [one for one in store.read_all(begin, PART, typed=False) if one.position <= end]
        public = [one for one in found if PRIVATE not in one.event.extensions]
        known = platform.archive.types_of(one.event.id for one in public)
        lost = [one for one in public if one.event.id not in known and one.recorded >= oldest]
        if lost:
            place = lost[0].position - 1
        elif public or (found and found[0].recorded < oldest):
            break
        end = begin
    return place
