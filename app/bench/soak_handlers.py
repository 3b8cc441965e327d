"""The handlers that `bench soak` kills, loaded by `PENSTOCK_HANDLERS=app.bench.soak_handlers`.

Each execution leaves two lines in a file: that it began, and that it ended.
"""

from __future__ import annotations

import os
import time
from typing import Any

from sqlalchemy import text

from app.events.event import Event
from app.subscriptions.context import Context
from app.subscriptions.declaration import on
from app.subscriptions.retry import RetryPolicy

FILE = os.environ["PENSTOCK_SOAK_FILE"]
WORK = 0.002
"""Seconds that an event takes."""
PATIENT = RetryPolicy(attempts=10, base=0.2, cap=2.0)


@on("soak.plain", emits=["soak.done"], name="soak.plain", retry=PATIENT)
def plain(event: Event, ctx: Context) -> dict[str, Any]:
    """An output for each event."""
    _note("begin", event)
    time.sleep(WORK)
    _note("end", event)
    return {"n": event.data["n"]}


@on("soak.effect", emits=["soak.done"], name="soak.effect", retry=PATIENT)
def effect(event: Event, ctx: Context) -> dict[str, Any]:
    """An output and a row for each event."""
    _note("begin", event)
    ctx.session.execute(text("INSERT INTO soak_effects (n) VALUES (:n)"), {"n": event.data["n"]})
    _note("end", event)
    return {"n": event.data["n"]}


def _note(word: str, event: Event) -> None:
    """One write, so that processes don't mix."""
    line = f"{word} {event.data['n']} {os.getpid()} {time.time():.4f}\n".encode()
    with open(FILE, "ab", buffering=0) as file:
        file.write(line)
