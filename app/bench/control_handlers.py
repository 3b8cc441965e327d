"""The handler that `bench control` steers, loaded by `PENSTOCK_HANDLERS=app.bench.control_handlers`.

Each execution leaves two lines in a file: when it began and when it ended, and in which process.
"""

from __future__ import annotations

import os
import time

from app.events.event import Event
from app.subscriptions.context import Context
from app.subscriptions.declaration import on
from app.subscriptions.retry import RetryPolicy

FILE = os.environ["PENSTOCK_CONTROL_FILE"]
WORK = 0.002
"""Seconds that an event takes."""


@on("control.asked", name="control.steered", retry=RetryPolicy(base=0.05, cap=0.05))
def steered(event: Event, ctx: Context) -> None:
    """An event of a steady load, some of which fail the first time."""
    _note("begin", event, ctx)
    time.sleep(WORK)
    _note("end", event, ctx)
    if event.data["fails"] and ctx.attempt == 1:
        raise ValueError("it fails the first time, as it was told to")


def _note(word: str, event: Event, ctx: Context) -> None:
    """One write, so that processes don't mix."""
    line = f"{word} {event.data['n']} {os.getpid()} {ctx.attempt} {time.time():.6f}\n"
    with open(FILE, "ab", buffering=0) as file:
        file.write(line.encode())
