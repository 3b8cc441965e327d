"""An answer kept for a moment, so that many open pages ask the database once.

Kept per process, with the app; a page may be as old as it says, never older.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

from flask import current_app

T = TypeVar("T")
EXTENSION = "penstock.recent"


def recent(name: str, seconds: float, make: Callable[[], T]) -> T:
    """What `make` answered at most that many seconds ago in this process, or asks it now."""
    kept: dict[str, tuple[float, Any]] = current_app.extensions.setdefault(EXTENSION, {})
    at, answer = kept.get(name, (0.0, None))
    if at and time.monotonic() - at < seconds:
        return answer
    made = make()
    kept[name] = (time.monotonic(), made)
    return made
