"""The handlers that the benchmarks run, loaded by `PENSTOCK_HANDLERS=app.bench.handlers`."""

from __future__ import annotations

import os
import time
from typing import Any

from pydantic import BaseModel

from app.events.event import Event
from app.events.schema import event_type
from app.subscriptions.context import Context
from app.subscriptions.declaration import on

KEEP = {"exact": {"subject": "kept"}}
SUBSCRIPTIONS = int(os.environ.get("PENSTOCK_BENCH_SUBSCRIPTIONS", "0"))
"""How many idle subscriptions `bench scale` adds."""


@event_type("single.made", tracking="packed")
class SingleMade(BaseModel):
    """For a handler of single events."""

    n: int
    at: float


@event_type("tracked.made")
class TrackedMade(BaseModel):
    """For deliveries of which each has a row in SQL."""

    n: int
    at: float


@event_type("batch.made", tracking="packed")
class BatchMade(BaseModel):
    """For a handler of batches."""

    n: int
    at: float


@event_type("timed.made", tracking="packed")
class TimedMade(BaseModel):
    """For the latency from publish to handled."""

    n: int
    at: float


if os.environ.get("PENSTOCK_BENCH_KIND", "single") == "single":

    @on("single.made", filter=KEEP, name="bench.single")
    def single(event: Event, ctx: Context) -> None:
        """One event at a time."""

else:

    @on("batch.made", filter=KEEP, batch=500, name="bench.batch")
    def batch(events: list[Event], ctx: Context) -> None:
        """Many at a time."""


@on("tracked.made", name="bench.tracked")
def tracked(event: Event, ctx: Context) -> None:
    """One event at a time, whose run is told."""


@on("timed.made", name="bench.timed")
def timed(event: Event, ctx: Context) -> None:
    """Note how long an event took from its producer to here."""
    _delays.append(time.time() - event.data.at)
    if len(_delays) >= 100:
        ctx.platform.redis.rpush("bench:delays", *_delays)
        _delays.clear()


_delays: list[float] = []


def _idle(number: int) -> None:
    @on(f"idle{number}.made", name=f"bench.idle{number}")
    def idle(event: Event, ctx: Context) -> Any:
        """One of many subscriptions that have little to do."""


for _number in range(SUBSCRIPTIONS):
    _idle(_number)
