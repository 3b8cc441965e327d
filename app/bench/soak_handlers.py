"""The handlers that `bench soak` kills, loaded by `PENSTOCK_HANDLERS=app.bench.soak_handlers`.

Each execution leaves two lines in a file: that it began, and that it ended or failed.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
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
    with _noted(event):
        time.sleep(WORK)
    return {"n": event.data["n"]}


@on("soak.effect", emits=["soak.done"], name="soak.effect", retry=PATIENT)
def effect(event: Event, ctx: Context) -> dict[str, Any]:
    """An output and a row for each event."""
    with _noted(event):
        row = {"n": event.data["n"]}
        ctx.session.execute(text("INSERT INTO soak_effects (n) VALUES (:n)"), row)
    return {"n": event.data["n"]}


@contextmanager
def _noted(event: Event) -> Iterator[None]:
    _note("begin", event)
    try:
        yield
    except Exception:
        _note("fail", event)
        raise
    _note("end", event)


def _note(word: str, event: Event) -> None:
    """One write, so that processes don't mix."""
    line = f"{word} {event.data['n']} {os.getpid()} {time.time():.4f}\n".encode()
    with open(FILE, "ab", buffering=0) as file:
        file.write(line)
