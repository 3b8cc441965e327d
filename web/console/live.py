"""`/live`: the names of what changed, as server-sent events, for the script to refresh by.

However many consoles are open, a process listens once: the first stream starts
a thread on `platform.changes`, the last one to leave ends it. Names that come
in quick succession are sent together. How many streams there may be, their
heartbeats and their end are the affair of `web.sse`; here, nobody holds more
than `MOST_OF_ONE`: a page that was left is noticed only at the next heartbeat,
and who clicks fast must not use up the streams of all.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Iterable, Iterator
from typing import Any

from flask import current_app
from flask.typing import ResponseReturnValue

from web.auth import current_actor, requires
from web.console.pages import blueprint
from web.platform import current_platform
from web.sse import Message, event_stream

EXTENSION = "penstock.live"
TOGETHER = 0.25
MOST_OF_ONE = 6
Names = queue.SimpleQueue[str | None]
log = logging.getLogger(__name__)


class Feed:
    """One listener for the process, and a queue for each open stream."""

    def __init__(self, changes: Any):
        self._changes = changes
        self._queues: dict[Names, str] = {}
        self._lock = threading.Lock()
        self._listening = False

    def join(self, actor: str) -> Names:
        """A queue of names for one stream of this actor; the oldest of too many is told to end."""
        with self._lock:
            theirs = [each for each, owner in self._queues.items() if owner == actor]
            for oldest in theirs[: max(0, len(theirs) - MOST_OF_ONE + 1)]:
                del self._queues[oldest]
                oldest.put(None)
            mine: Names = queue.SimpleQueue()
            self._queues[mine] = actor
            if not self._listening:
                self._listening = True
                threading.Thread(target=self._listen, name="console-live", daemon=True).start()
            return mine

    def leave(self, mine: Names) -> None:
        with self._lock:
            self._queues.pop(mine, None)

    def _listen(self) -> None:
        while True:
            try:
                for heard in self._changes.listen():
                    self._tell(names_of(heard))
                    if self._nobody_is_left():
                        return
            except Exception:  # whatever broke the connection: say so, and come back
                log.warning("live updates lost their connection; trying again", exc_info=True)
                time.sleep(1.0)
                if self._nobody_is_left():
                    return
                self._tell(["all"])

    def _tell(self, names: Iterable[str]) -> None:
        with self._lock:
            for each in self._queues:
                for name in names:
                    each.put(name)

    def _nobody_is_left(self) -> bool:
        with self._lock:
            if self._queues:
                return False
            self._listening = False
            return True


def names_of(heard: Any) -> list[str]:
    """What a turn of `changes.listen()` says: names in a list, one name, or nothing."""
    if not heard:
        return []
    return heard.split() if isinstance(heard, str) else list(heard)


def messages(feed: Feed, actor: str) -> Iterator[Message | None]:
    """The names as they come, those of a moment together; None about once a second in silence.

    It joins when it is first read: a stream that is refused, or only asked about, leaves nothing.
    """
    mine = feed.join(actor)
    try:
        while True:
            try:
                names = {mine.get(timeout=1.0)}
            except queue.Empty:
                yield None
                continue
            time.sleep(TOGETHER)
            while not mine.empty():
                names.add(mine.get())
            if None in names:
                return
            yield Message(" ".join(sorted(name for name in names if name)))
    finally:
        feed.leave(mine)


@blueprint.get("/live")
@requires("viewer")
def live() -> ResponseReturnValue:
    feed = current_app.extensions.get(EXTENSION)
    if feed is None:
        feed = current_app.extensions.setdefault(EXTENSION, Feed(current_platform().changes))
    return event_stream(messages(feed, current_actor()))
