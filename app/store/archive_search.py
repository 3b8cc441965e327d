"""Searches of the archive that look into events: by a part of a text, and by an expression.

Both look for a while only, and then give a page that may be short or empty, with a cursor
from where to go on: an archive is read back to the day it began by turning pages.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from app.clock import Clock
from app.errors import Refused
from app.events.event import Event
from app.events.expressions import Search
from app.store import archive_statements as statements
from app.store.archive_filter import EventFilter
from app.store.archive_rows import event_dict, event_of
from app.store.bulk import Bulk
from app.store.page import Page, cursor_of

JUDGED = 250
"""Events that one step of a search by expression reads: each is decoded and asked."""
SCAN_SECONDS = 0.04
"""For which one page of a search looks; it ends with a step of its own, and a cursor."""


def by_text(
    bulk: Bulk, clock: Clock, wanted: EventFilter, before: list[Any] | None, limit: int
) -> Page[dict[str, Any]]:
    """The next events that hold the filter's `q`."""
    found: list[Any] = []
    over = clock.monotonic() + SCAN_SECONDS
    while True:
        rows, last = statements.newest_like(bulk, wanted, before, limit + 1 - len(found))
        found += rows
        if len(found) > limit:
            before = [found[limit - 1][1], found[limit - 1][0]]
            break
        before = last
        if before is None or clock.monotonic() > over:
            break
    items = [event_dict(*row[2:]) for row in found[:limit]]
    return Page(items, cursor_of(*before) if before else None)


def by_expression(
    bulk: Bulk, clock: Clock, wanted: EventFilter, fits: Search,
    seen: Callable[[Event], Event] | None, before: list[Any] | None, limit: int,
) -> Page[dict[str, Any]]:  # fmt: skip
    """The next events that fit an expression, each asked as whoever looks has `seen` it.

    Raises `Refused` where it fails on whatever it is asked of.
    """
    found: list[tuple[Any, Event]] = []
    over = clock.monotonic() + SCAN_SECONDS
    while True:
        if wanted.q:
            rows, before = statements.newest_like(bulk, wanted, before, JUDGED)
        else:
            rows, before = statements.newest(bulk, wanted, before, JUDGED), None
        if len(rows) == JUDGED:
            before = [rows[-1][1], rows[-1][0]]
        for row in rows:
            event = event_of(*row[2:])
            if fits(seen(event) if seen else event):
                found.append((row, event))
            if len(found) > limit:
                before = [found[limit - 1][0][1], found[limit - 1][0][0]]
                break
            if clock.monotonic() > over:
                before = [row[1], row[0]]
                break
        if len(found) > limit or before is None or clock.monotonic() > over:
            break
    if fits.failed and not found:
        raise Refused(f"It fails on {fits.failed} events that were looked at: {fits.problem}")
    items = [event.to_dict() for _, event in found[:limit]]
    return Page(items, cursor_of(*before) if before else None)
