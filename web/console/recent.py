"""An answer kept for half a second, so that many open pages ask the database once.

Kept per process, with the app; who comes while it is being made waits for it.
Pages ask again later than that after they heard of a change (`SOON` in
console.js), so none shows what was before it; and who changes something by a
form sees it at once, whichever process answers: the page that tells what was
done is made of what was asked after it.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any, TypeVar

from flask import current_app, g, session

from web.auth.guard import sees_everything

T = TypeVar("T")
EXTENSION = "penstock.recent"
KEPT = 0.5
FLASHES = "_flashes"
"""Where Flask keeps what the next page is to tell of a form."""
PATIENCE = 2.0
"""Seconds to wait for another's answer, before asking oneself."""


class _Kept:
    def __init__(self) -> None:
        self.answers: dict[str, tuple[float, Any]] = {}
        self.turns: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self.forgotten = float("-inf")

    def find(self, name: str, since: float) -> tuple[float, Any] | None:
        found = self.answers.get(name)
        since = max(time.monotonic() - KEPT, self.forgotten, since)
        return found if found and found[0] > since else None


def recent(name: str, make: Callable[[], T]) -> T:
    """What `make` answered within the last `KEPT` seconds in this process, or what it says now."""
    kept = _kept()
    name = f"{name} {sees_everything()}"  # what one may not see is not kept for them by another
    since = time.monotonic() if FLASHES in session else float("-inf")
    found = kept.find(name, since)
    if found is None:
        turn = kept.turns[name]
        waited = turn.acquire(timeout=PATIENCE)
        try:
            found = kept.find(name, since)
            if found is None:
                begun = time.monotonic()
                found = kept.answers[name] = (begun, make())
        finally:
            if waited:
                turn.release()
    if "refresh_begun" in g:  # what is made of it is no newer
        g.refresh_begun = min(g.refresh_begun, found[0])
    return found[1]


def forget() -> None:
    """Ask anew from now on: something was changed."""
    _kept().forgotten = time.monotonic()


def forgotten() -> float:
    """Since when what was kept counts no more, by the monotonic clock."""
    return _kept().forgotten


def _kept() -> _Kept:
    found = current_app.extensions.get(EXTENSION)
    return found or current_app.extensions.setdefault(EXTENSION, _Kept())
