"""How many events a rewind would hand to a subscription again, before anybody rewinds. It changes nothing.

They are counted in the archive, up to a bound; whom the subscription's filter lets through is
looked at one by one where they are few, and among the newest of them where they are many.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.events.event import Event
from app.events.filters import compile_filter
from app.subscriptions.declaration import EVERYTHING
from app.subscriptions.filter_trial import LOOKED_AT, latest, passes

MOST = 100_000
"""Events that are counted."""


def rewind_preview(platform: Any, row: Mapping[str, Any], since: Any = None) -> dict[str, Any]:
    """Of a subscription (as `platform.subscriptions.get` shows it) and a time, or from the earliest.

    `events`, and whether there are `more`; of the `looked` at, how many its filter lets through
    (`passed`): exactly so many of all where `looked` is `events`.
    """
    types = None if EVERYTHING in row["types"] else list(row["types"])
    counted = platform.archive.count({"types": types, "since": since}, MOST + 1)
    events, more = min(counted, MOST), counted > MOST
    fits = compile_filter(row["filter"])
    if fits is None:
        return {"events": events, "more": more, "looked": events, "passed": events}
    found = [Event.from_dict(told) for told in latest(platform, row["types"], since)][:LOOKED_AT]
    passed = sum(passes(fits, event)[0] for event in found)
    return {"events": events, "more": more, "looked": len(found), "passed": passed}
