"""Times, as they are stored and as they are shown.

Stored: seconds since 1970 in UTC, in double precision, the unit of the clock
and of the records, exact to the microsecond. Shown: RFC 3339 text ending in Z.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from app.errors import Refused

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def iso(seconds: float | None) -> str | None:
    """The RFC 3339 text of a stored time, or None."""
    return None if seconds is None else _written(seconds)


@lru_cache(maxsize=4096)  # a page of charts says each of its moments many times
def _written(seconds: float) -> str:
    moment = EPOCH + timedelta(seconds=seconds)
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


# What a calendar can show: the years 1 to 9999.
FIRST, END = -62_135_596_800.0, 253_402_300_800.0


def seconds(moment: Any) -> float | None:
    """The stored form of a datetime, an ISO 8601 text or a number of seconds since 1970.

    What has no zone is taken as UTC. Raises `Refused` where it is no time.
    """
    if moment is None or moment == "":
        return None
    if isinstance(moment, datetime):
        return _timestamp(moment)
    try:
        number = float(moment)
    except (TypeError, ValueError):
        pass
    else:
        if FIRST <= number < END and not isinstance(moment, bool):
            return number
    try:
        return _timestamp(datetime.fromisoformat(moment))
    except (TypeError, ValueError):
        raise Refused(
            f"{moment!r} is not a time: write it like 2026-01-31T12:00:00Z, "
            "or as seconds since 1970"
        ) from None


def _timestamp(moment: datetime) -> float:
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
