"""An answer kept for half a second, so that many open pages ask the database once.

Kept per process, with the app. Pages ask again a little later than that after
they heard of a change (`SOON` in console.js), so none shows what was before it;
and who changes something by a form sees it at once.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

from flask import current_app

from web.auth.guard import sees_everything

T = TypeVar("T")
EXTENSION = "penstock.recent"
KEPT = 0.5


def recent(name: str, make: Callable[[], T]) -> T:
    """What `make` answered within the last `KEPT` seconds in this process, or what it says now."""
    kept: dict[str, tuple[float, Any]] = current_app.extensions.setdefault(EXTENSION, {})
    name = f"{name} {sees_everything()}"  # what one may not see is not kept for them by another
    at, answer = kept.get(name, (0.0, None))
    if at and time.monotonic() - at < KEPT:
        return answer
    made = make()
    kept[name] = (time.monotonic(), made)
    return made


def forget() -> None:
    """Ask anew from now on: something was changed."""
    current_app.extensions.pop(EXTENSION, None)
