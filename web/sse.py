"""Server-sent events: a bounded number of streams, each with heartbeats and a clean end.

Every open stream holds a thread of the process, so they may have half of
them, and who comes later is told when to try again instead of waiting. A
stream ends by itself when its visitor is gone (the next heartbeat finds out),
after LONGEST seconds, or when the process is told to stop; the browser then
connects anew and goes on after the last id it saw.

Source: https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass

from flask import Response

from app.errors import Unavailable

MOST_STREAMS = 64
"""Streams of one process, until its server says what half of its threads is (`allow`)."""
HEARTBEAT = 10.0  # seconds; a router cuts a connection that is silent for 55
LONGEST = 900.0
RECONNECT = 2000  # milliseconds

_open = threading.BoundedSemaphore(MOST_STREAMS)
_stopping: Callable[[], bool] = lambda: False  # noqa: E731


@dataclass(frozen=True)
class Message:
    """One message. `data` has no newline of its own (JSON has none); None only tells the id."""

    data: str | None
    event: str | None = None
    id: str | None = None

    def encode(self) -> bytes:
        lines = [f"id: {self.id}"] if self.id else []
        lines += [f"event: {self.event}"] if self.event else []
        lines += [] if self.data is None else [f"data: {self.data}"]
        return "\n".join([*lines, "", ""]).encode()


def allow(most: int) -> None:
    """So many streams at most; said by the server before it serves."""
    global _open, MOST_STREAMS
    _open, MOST_STREAMS = threading.BoundedSemaphore(most), most


def stop_when(stopping: Callable[[], bool]) -> None:
    """End all streams as soon as `stopping()` is true (the server's worker says so)."""
    global _stopping
    _stopping = stopping


def event_stream(messages: Iterable[Message | None]) -> Response:
    """Answer with `messages` as they come; None where there is nothing yet, about once a second.

    Raises Unavailable when too many streams are open.
    """
    if not _open.acquire(blocking=False):
        if not MOST_STREAMS:
            raise Unavailable(
                "This process has one thread (WEB_THREADS), which a live stream would hold for itself: "
                "give it at least 2. All else works without."
            )
        raise Unavailable(
            f"{MOST_STREAMS} live streams are open in this process already: "
            "close one, or try again in a few seconds."
        )
    held = _Held(_paced(iter(messages)))
    response = Response(held, content_type="text/event-stream; charset=utf-8")
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Accel-Buffering"] = "no"
    return response


class _Held:
    """The body of a stream. Its place is free again however it ends, even before it began."""

    def __init__(self, body: Generator[bytes, None, None]):
        self._body = body
        self._release = threading.Lock()

    def __iter__(self) -> Iterator[bytes]:
        return self._body

    def close(self) -> None:
        if self._release.acquire(blocking=False):
            try:
                self._body.close()
            finally:
                _open.release()


def _paced(messages: Iterator[Message | None]) -> Generator[bytes, None, None]:
    began = spoke = time.monotonic()
    yield f"retry: {RECONNECT}\n\n".encode()
    try:
        for message in messages:
            now = time.monotonic()
            if message is not None:
                spoke = now
                yield message.encode()
            elif now - spoke >= HEARTBEAT:
                spoke = now
                yield b": still here\n\n"
            if _stopping() or now - began >= LONGEST:
                return
    finally:
        close = getattr(messages, "close", None)
        if close is not None:
            close()
