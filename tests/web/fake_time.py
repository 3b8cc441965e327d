"""The moment from which all invented times are counted back."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from functools import cache
from typing import Any

NOW = time.time()
Json = dict[str, Any]


@cache
def at(seconds_ago: float) -> str:
    """The instant that many seconds before NOW."""
    moment = datetime.fromtimestamp(NOW - seconds_ago, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
