"""`python -m app publish`: one event, or as many as standard input has lines.

Good lines are published, bad ones are named by their number on standard error; one bad line
makes the exit status 1. Lines that come slowly are published as they come.
"""

from __future__ import annotations

import os
import stat
import sys
from functools import partial
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

from app.cli import lines
from app.cli.parameters import JSON, SPAN
from app.cli.platform import opened
from app.cli.render import json_option, show_json
from app.events.event import Event


@click.command(
    epilog="""\b
Examples:
  python -m app publish order.placed '{"total": 42}' --key customer-7
  python -m app publish reminder.sent '{"to": "ann"}' --after 10m
  python -m app publish < events.jsonl
where each line of events.jsonl is an event: {"type": "order.placed", "data": {"total": 42}}
"""
)
@click.argument("type", required=False)
@click.argument("data", required=False, type=JSON)
@click.option("--key", help="Partition key: events with the same one keep their order.")
@click.option("--subject", help="What the event is about.")
@click.option("--id", help="Its id; an event with the same source and id is accepted once.")
@click.option("--source", help="Who says it.")
@click.option("--after", type=SPAN, help="Publish it only after 30s, 15m, 2h.")
@click.option("--durable", is_flag=True, help="Wait until Redis has it on disk (7.2 or newer).")
@json_option
def publish(
    type: str | None,
    data: Any,
    key: str | None,
    subject: str | None,
    id: str | None,
    source: str | None,
    after: float | None,
    durable: bool,
    as_json: bool,
) -> int:
    """Publish one event of TYPE with DATA (JSON), or JSON lines from standard input."""
    attributes = {"partitionkey": key, "subject": subject, "id": id, "source": source}
    if type is None:
        if any(attributes.values()) or after is not None:
            raise click.UsageError("Name the type: options are for a single event.")
        if sys.stdin.isatty():
            raise click.UsageError("Name a type, or pipe JSON lines in.")
        return _publish_lines(durable, as_json)
    given = {name: value for name, value in attributes.items() if value}
    event = Event.from_dict({"type": type, "data": data, **given})
    with opened() as platform:
        due = None if after is None else platform.clock.now() + after
        new = platform.publisher.publish([event], at=due, durable=durable)[0]
    if as_json:
        show_json({"accepted": int(new), "duplicates": int(not new), "ids": [event.id]})
    elif new:
        click.echo(f"Published {event.type} {event.id}")
    else:
        click.echo(f"{event.type} {event.id} was published before: nothing was sent again.")
    return 0


def _publish_lines(durable: bool, as_json: bool) -> int:
    counts = lines.Counts()
    descriptor = sys.stdin.fileno()
    columns = (TextColumn("{task.fields[done]:,} events"), BarColumn(), TaskProgressColumn())
    progress = Progress(*columns, console=Console(stderr=True), transient=True)
    with opened() as platform, progress:
        send = partial(platform.publisher.publish, durable=durable)
        task = progress.add_task("", total=_size(descriptor), done=0)
        for batch in lines.read(descriptor):
            lines.publish(send, batch, counts)
            for number, problem in sorted(counts.problems):
                progress.console.print(f"line {number}: {problem}", highlight=False, markup=False)
            counts.problems.clear()
            done = counts.accepted + counts.duplicates
            progress.update(task, advance=sum(len(line) + 1 for _, line in batch), done=done)
    accepted, duplicates, refused = counts.accepted, counts.duplicates, counts.refused
    if as_json:
        show_json({"accepted": accepted, "duplicates": duplicates, "refused": refused})
    else:
        known = f"; {duplicates:,} were published before" if duplicates else ""
        click.echo(f"Published {accepted:,}{known}; refused {refused:,}")
    return 1 if refused else 0


def _size(descriptor: int) -> int | None:
    """The bytes of a file, or None for a pipe."""
    status = os.fstat(descriptor)
    return status.st_size if stat.S_ISREG(status.st_mode) else None
