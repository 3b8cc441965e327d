"""Requests that wait for something: a bounded number of them at once.

Each holds a thread of the process, of which streams may have half (`web.sse`) and these a quarter,
so that a projection that stands still can't take the console down with its readers. Who finds no
place looks once and is answered as if the time were over.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

_places = threading.BoundedSemaphore(32)


def allow(most: int) -> None:
    """So many waiting requests at most; said by the server before it serves."""
    global _places
    _places = threading.BoundedSemaphore(most)


@contextmanager
def at_most(seconds: float) -> Iterator[float]:
    """How long this request may wait: what it wants, or 0 where too many wait already."""
    places = _places
    if seconds <= 0 or not places.acquire(blocking=False):
        yield 0.0
        return
    try:
        yield seconds
    finally:
        places.release()
