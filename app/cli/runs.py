"""`python -m app runs …`: what became of what someone published."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import click

from app.cli.parameters import MOMENT, between_options, page_options
from app.cli.platform import ACTOR, opened
from app.cli.render import ago, duration, json_option, show_json, show_page, show_table
from app.domain.progress import under_way
from app.errors import NotFound


@click.group(
    epilog="""\b
Examples:
  python -m app runs list --state failed --since 1d
  python -m app runs list --state stuck
  python -m app runs show CORRELATIONID
"""
)
def runs() -> None:
    """List runs, show one, compare it, run a step of it again."""


@runs.command("list", epilog="\b\nExample:\n  python -m app runs list --type dataset.uploaded")
@click.option(
    "--state",
    type=click.Choice(["running", "waiting", "succeeded", "failed", "cancelled", "stuck"]),
    help="Only these; stuck is running for longer than usual.",
)
@click.option("--type", help="Only runs that began with this type.")
@click.option("--key", help="Only runs whose first event has this partition key.")
@click.option("--data", help="A field of the first event's data, as customer.id=42.")
@click.option("--search", "q", help="Only those that contain this text.")
@between_options
@page_options
def list_(as_json: bool, **filters: Any) -> None:
    """Runs, newest first."""
    with opened() as platform:
        page = platform.runs.find(**filters)
    columns: Any = {
        "run": "correlationid",
        "state": lambda row: f"{row['state']}, stuck" if row["stuck"] else row["state"],
        "began with": "type",
        "subject": "subject",
        "last event": "outcome",
        "events": "events",
        "started": lambda row: ago(row["started"]),
        "took": lambda row: duration(_took(row)),
    }
    show_page(page, columns, as_json, "There is no run yet: publish an event, or upload a dataset.")


@runs.command(epilog="\b\nExample:\n  python -m app runs show CORRELATIONID --at 2h")
@click.argument("correlationid")
@click.option("--at", type=MOMENT, help="As it was then: a time, or 15m, 2h, 7d ago.")
@json_option
def show(correlationid: str, at: str | None, as_json: bool) -> None:
    """One run: every step with its state, times and error."""
    with opened() as platform:
        found = platform.runs.get(correlationid, at=at)
        told = None if at else under_way(platform.archive, correlationid)
    if found is None:
        raise NotFound(
            f"There is no run {correlationid!r} (yet): `python -m app runs list` shows all"
        )
    if as_json:
        show_json(found)
        return
    click.echo(f"{found['state']}; last event {found['outcome']}; took {duration(_took(found))}\n")
    if told and found["state"] == "running":
        click.echo(f"{told['step']}, {told['share']:.0%} after {told['seconds']:.0f} s\n")
    columns: Any = {
        "type": "type",
        "subscription": "subscription",
        "state": "state",
        "attempts": "attempts",
        "took": lambda row: duration(_took(row)),
        "error": "error",
    }
    show_table(found["steps"], columns, "No step yet.")


@runs.command(
    epilog='\b\nExample:\n  python -m app runs cancel CORRELATIONID --reason "wrong file"'
)
@click.argument("correlationid")
@click.option("--reason", default="", help="Why; it is kept in the audit.")
def cancel(correlationid: str, reason: str) -> None:
    """Stop a run's training within seconds; nothing of it is deployed."""
    with opened() as platform:
        platform.models.cancel(correlationid, ACTOR, reason)
    click.echo(f"The run {correlationid} is cancelled.")


@runs.command(epilog="\b\nExample:\n  python -m app runs compare CORRELATIONID")
@click.argument("correlationid")
@click.argument("other", required=False)
@json_option
def compare(correlationid: str, other: str | None, as_json: bool) -> None:
    """A run beside OTHER, by default the last of its kind that succeeded."""
    with opened() as platform:
        found = platform.runs.compare(correlationid, other)
    if as_json:
        show_json(found)
        return
    columns: Any = {"type": "type", "subscription": "subscription"}
    for side in ("this", "other"):
        columns[f"{side}: state"] = _of(side, "state")
        columns[f"{side}: queued"] = _of(side, "queued", duration)
        columns[f"{side}: handled"] = _of(side, "handled", duration)
    click.echo(f"Compared with {found['other']['correlationid']}\n")
    show_table(found["steps"], columns, "No step yet.")


def _of(side: str, name: str, write: Any = str) -> Any:
    return lambda row: write(row[side][name]) if row[side] else "no such step"


@runs.command(epilog="\b\nExample:\n  python -m app runs export CORRELATIONID > run.json")
@click.argument("correlationid")
def export(correlationid: str) -> None:
    """All that is kept of a run, as JSON: steps, attempts, events."""
    with opened() as platform:
        found = platform.runs.export(correlationid)
    if found is None:
        raise NotFound(
            f"There is no run {correlationid!r} (yet): `python -m app runs list` shows all"
        )
    show_json(found)


@runs.command(
    epilog="\b\nExample:\n"
    '  python -m app runs rerun CORRELATIONID EVENT shop.handlers.charge --reason "mended"'
)
@click.argument("correlationid")
@click.argument("event")
@click.argument("subscription")
@click.option("--reason", default="", help="Why; it is kept with the replay.")
def rerun(correlationid: str, event: str, subscription: str, reason: str) -> None:
    """Run a step again: its EVENT goes to SUBSCRIPTION once more, as a replay."""
    from app.subscriptions.rerun import rerun as again

    with opened() as platform:
        id = again(platform, correlationid, event, subscription, ACTOR, reason)
    click.echo(f"Replay {id} sends it. Watch it with: python -m app replays show {id}")


def _took(row: Any) -> float | None:
    if not (row["started"] and row["ended"]):
        return None
    started, ended = (datetime.fromisoformat(row[end]) for end in ("started", "ended"))
    return (ended - started).total_seconds()
