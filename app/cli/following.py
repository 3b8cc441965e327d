"""Waiting for long work on the terminal: a replay's bar, a run's steps ticked off."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from app.cli.render import show_json

LOOK = 0.25  # seconds between two looks
DONE = ("succeeded", "failed", "cancelled")
RESTS = (*DONE, "waiting")


def follow_replay(platform: Any, id: str, as_json: bool) -> int:
    """Show a replay until its end; the exit status."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=None)
        while True:
            replay = platform.replays.get(id)
            settled = replay["succeeded"] + replay["failed"]
            progress.update(
                task, description=replay["state"], completed=settled, total=replay["total"]
            )
            if replay["state"] in DONE:
                break
            time.sleep(LOOK)
    if as_json:
        show_json(replay)
    else:
        click.echo(
            f"Replay {id} {replay['state']}: {replay['succeeded']:,} succeeded, "
            f"{replay['failed']:,} failed, {replay['pending']:,} not sent"
        )
    return 0 if replay["state"] == "succeeded" else 1


def follow_run(
    platform: Any, correlationid: str, timeout: float, wait: Callable[[float], Any] = time.sleep
) -> Iterator[dict[str, Any] | None]:
    """The run as it is each time a step of it has changed; None between. Ends with the run,
    or where it waits for a person.

    A run is over when it says so twice: what a handler emits is a step a moment later.
    """
    give_up = time.monotonic() + timeout
    seen: Any = None
    calm = 0
    while time.monotonic() < give_up:
        run = platform.runs.get(correlationid)
        steps = run and [
            (step["event"], step["subscription"], step["state"]) for step in run["steps"]
        ]
        changed = run is not None and (run["state"], steps) != seen
        if changed:
            seen = (run["state"], steps)
        calm = calm + 1 if run and not changed and run["state"] in RESTS else 0
        yield run if changed else None
        if calm:
            return
        wait(LOOK)
