"""/figures: what the charts show, as numbers."""

from __future__ import annotations

from typing import Any

from app.store.charted import RANGES
from web.api.parameters import Parameter
from web.api.positions import OUTCOMES
from web.api.routes import route
from web.api.shapes import COUNT, MAYBE_COUNT, MAYBE_NUMBER, TIME, many, obj
from web.platform import current_platform

TIMES = obj({"p50": MAYBE_NUMBER, "p95": MAYBE_NUMBER, "p99": MAYBE_NUMBER})
STEP = obj({"at": TIME, "in": MAYBE_COUNT, "done": COUNT, "failed": COUNT, "retried": COUNT,
            "parked": COUNT, "waited": TIMES, "worked": TIMES,
            "lag": obj({"events": MAYBE_COUNT, "seconds": MAYBE_NUMBER})})  # fmt: skip


@route("GET", "/figures", "viewer", follows=OUTCOMES, answers=obj({"step": COUNT, "rows": many(STEP)}),
       may_fail=(422,),
       query=(Parameter("range", "How far back.", "text", tuple(RANGES), default="1h"),
              Parameter("subscription", "Of this subscription,"),
              Parameter("topic", "or of this topic (all subscriptions that read it),"),
              Parameter("worker", "or of this worker; without any, of all subscriptions.")))  # fmt: skip
def get_figures(range: str, **whose: str | None) -> Any:
    """Throughput, lag, queueing and handling times (seconds), failures and retries, by step."""
    return current_platform().charted.over(range, **whose)
