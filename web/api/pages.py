"""Pages: `{"items": [...], "next": cursor or null}`, of SQL's lists and of short live ones."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Any

from web.problems import BadInput


def rendered(page: Any, item: Callable[[Any], Any] = lambda item: item) -> dict[str, Any]:
    """A page that the platform answered."""
    return {"items": [item(each) for each in page.items], "next": page.next}


def sliced(items: Sequence[Any], limit: int, cursor: str | None) -> dict[str, Any]:
    """A page of a list that is short enough to be had whole (subscriptions, workers)."""
    start = 0 if cursor is None else _position(cursor)
    end = start + limit
    return {"items": items[start:end], "next": _cursor(end) if end < len(items) else None}


def _cursor(position: int) -> str:
    return base64.urlsafe_b64encode(f"from:{position}".encode()).decode().rstrip("=")


def _position(cursor: str) -> int:
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
    except (binascii.Error, ValueError):
        text = ""
    word, _, number = text.partition(":")
    if word != "from" or not number.isdecimal() or len(number) > 9:
        raise BadInput("cursor was not given out by this list; leave it out to begin at the top.")
    return int(number)
