"""The handlers that the engine's tests break.

Each notes in a file that it began and that it ended, so that a test knows what
was executed, by which process, and how often. `data` says how to misbehave.
"""

from __future__ import annotations

import ctypes
import os
import signal
import time
from pathlib import Path
from typing import Any

from celery import shared_task
from sqlalchemy import MetaData, text
from sqlmodel import Field, SQLModel

from app import Context, Event, RetryPolicy, on, projection
from tests.engine.timing import HUNG

FOLDER = Path(os.environ["ENGINE_TEST_FOLDER"])
QUICK = RetryPolicy(attempts=5, base=0.2, cap=0.5, jitter=False)


def die_once() -> None:
    """A child dies while its pool starts, and only one."""
    if not (FOLDER / "died-at-start").exists():
        (FOLDER / "died-at-start").touch()
        os.kill(os.getpid(), signal.SIGKILL)


if "ENGINE_TEST_DIE_AT_START" in os.environ:
    os.register_at_fork(after_in_child=die_once)


def note(word: str, event: Event) -> None:
    """One line in the trace; appended in one write, so that processes don't mix."""
    line = f"{word} {event.data['n']} {os.getpid()} {time.time():.4f}\n"
    with open(FOLDER / "trace", "ab", buffering=0) as trace:
        trace.write(line.encode())


def first_time(event: Event) -> bool:
    """Whether this event misbehaves now; the second time it behaves."""
    try:
        (FOLDER / f"once-{event.type}-{event.data['n']}").touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def wait_for_file(name: str) -> None:
    """Until the test lets go."""
    while not (FOLDER / name).exists():
        time.sleep(0.01)


def work(event: Event) -> None:
    data = event.data
    if data.get("sleep"):
        time.sleep(data["sleep"])
    if data.get("gate"):
        wait_for_file(data["gate"])
    if data.get("die"):
        ctypes.string_at(0)  # a segmentation fault
    if data.get("fail") and first_time(event):
        raise ValueError(f"event {data['n']} fails the first time")


@shared_task(name="engine.ordinary", ignore_result=True)
def ordinary(n: int) -> None:
    """An ordinary Celery task."""
    (FOLDER / f"ordinary-{n}").touch()


@on("plain.asked", emits=["plain.done"], retry=QUICK)
def plain(event: Event, ctx: Context) -> Any:
    note("begin", event)
    work(event)
    note("end", event)
    return {"n": event.data["n"]}


class Base(SQLModel):
    """Beside the platform's own tables."""

    metadata = MetaData()


class Asked(Base, table=True):
    __tablename__ = "engine_test_asked"

    id: str = Field(primary_key=True)
    times: int = 0


@projection("engine.asked", tables=[Asked], types=["plain.asked"])
def asked(event: Event, view: Any) -> None:
    """How often each event was projected."""
    row = view.get(Asked, event.id) or view.add(Asked(id=event.id))
    row.times += 1


@on(
    "batch.asked",
    emits=["batch.done"],
    batch=50,
    retry=QUICK,
    filter={"prefix": {"subject": "yes"}},
)
def batch(events: list[Event], ctx: Context) -> Any:
    for event in events:
        note("begin", event)
    for event in events:
        work(event)
        note("end", event)
    return [{"n": event.data["n"]} for event in events]


@on("effect.asked", emits=["effect.done"], retry=QUICK)
def effect(event: Event, ctx: Context) -> Any:
    note("begin", event)
    work(event)
    ctx.session.execute(
        text("INSERT INTO engine_test_effects (n) VALUES (:n)"), {"n": event.data["n"]}
    )
    note("end", event)
    return {"n": event.data["n"]}


@on("hung.asked", emits=["hung.done"], timeout=HUNG, retry=QUICK)
def hung(event: Event, ctx: Context) -> Any:
    note("begin", event)
    if event.data.get("hang") and first_time(event):
        wait_for_file("let-go")
    note("end", event)
    return {"n": event.data["n"]}


@on("ordered.asked", emits=["ordered.done"], ordered=True, retry=QUICK)
def ordered(event: Event, ctx: Context) -> Any:
    note("begin", event)
    work(event)
    note("end", event)
    return {"n": event.data["n"]}


@on("committed.asked", emits=["committed.done"], retry=QUICK)
def committed(event: Event, ctx: Context) -> Any:
    """Its process dies right after the commit of its effects, before the settle."""
    note("begin", event)
    ctx.session.execute(
        text("INSERT INTO engine_test_effects (n) VALUES (:n)"), {"n": event.data["n"]}
    )
    if first_time(event):
        _die_after(ctx)
    return {"n": event.data["n"]}


def _die_after(ctx: Context) -> None:
    commit = ctx.effects.commit

    def commit_and_die(*arguments: Any) -> None:
        commit(*arguments)
        os.kill(os.getpid(), signal.SIGKILL)

    ctx.effects.commit = commit_and_die
