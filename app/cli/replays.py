"""`python -m app replays …`: replays, and the hand on their gate."""

from __future__ import annotations

from typing import Any

import click

from app.cli.parameters import between_options, page_options
from app.cli.platform import ACTOR, opened
from app.cli.preview import show_preview
from app.cli.render import ago, json_option, show_fields, show_json, show_page
from app.errors import NotFound


@click.group(epilog="\b\nExamples:\n  python -m app replays list\n  python -m app replays pause ID")
def replays() -> None:
    """List, pause, resume and cancel replays."""


@replays.command("list", epilog="\b\nExample:\n  python -m app replays list --limit 5")
@page_options
def list_(limit: int, cursor: str | None, as_json: bool) -> None:
    """All replays, newest first."""
    with opened() as platform:
        page = platform.replays.find(limit=limit, cursor=cursor)
    columns: Any = {
        "id": "id",
        "state": "state",
        "started": lambda row: ago(row["created"]),
        "by": "by",
        "total": "total",
        "succeeded": "succeeded",
        "failed": "failed",
        "pending": "pending",
        "reason": "reason",
    }
    show_page(
        page, columns, as_json, "There is no replay yet: `python -m app dead-letters replay ID`."
    )


@replays.command(epilog="\b\nExample:\n  python -m app replays show ID")
@click.argument("id")
@json_option
def show(id: str, as_json: bool) -> None:
    """One replay and how far it is."""
    with opened() as platform:
        found = platform.replays.get(id)
    if found is None:
        raise NotFound(f"There is no replay {id!r}: `python -m app replays list` shows all")
    if as_json:
        show_json(found)
    else:
        show_fields(found, {field: field for field in found})


@replays.command(epilog="\b\nExample:\n  python -m app replays pause ID")
@click.argument("id")
def pause(id: str) -> None:
    """Send nothing more for now."""
    with opened() as platform:
        platform.replays.pause(id, ACTOR)
    click.echo(f"Paused replay {id}. Go on with: python -m app replays resume {id}")


@replays.command(epilog="\b\nExample:\n  python -m app replays resume ID")
@click.argument("id")
def resume(id: str) -> None:
    """Go on sending."""
    with opened() as platform:
        platform.replays.resume(id, ACTOR)
    click.echo(f"Resumed replay {id}.")


@replays.command(epilog="\b\nExample:\n  python -m app replays cancel ID")
@click.argument("id")
def cancel(id: str) -> None:
    """Send nothing more; what was not sent stays parked."""
    with opened() as platform:
        platform.replays.cancel(id, ACTOR)
    click.echo(f"Cancelled replay {id}.")


@replays.command(epilog="\b\nExample:\n  python -m app replays approve ID")
@click.argument("id")
def approve(id: str) -> None:
    """Approve a replay that waits for a second person."""
    with opened() as platform:
        platform.replays.approve(id, ACTOR)
    click.echo(f"Approved replay {id}.")


@replays.command(
    epilog="""\b
Examples:
  python -m app replays past --to shop.handlers.charge --type order.placed --since 2h --dry-run
  python -m app replays past --to shop.handlers.charge --expression 'event.data.total > 100.0'
"""
)
@click.option("--to", "subscription", required=True, help="The subscription that gets them.")
@click.option("--type", help="Only events of this type.")
@click.option("--key", "partitionkey", help="Only events of this key.")
@click.option("--expression", help="Only those that this CEL expression wants.")
@click.option("--canary", type=click.IntRange(1), help="First so many, and on only if they pass.")
@click.option("--rate", type=click.FloatRange(0, min_open=True), help="Events a second.")
@click.option("--stop-above", type=click.FloatRange(0, 1), help="Stop above this failure share.")
@click.option("--reason", help="For the audit.")
@click.option("--dry-run", is_flag=True, help="Only say what would be sent.")
@between_options
@json_option
def past(subscription: str, dry_run: bool, as_json: bool, **given: Any) -> None:
    """Send archived events to one subscription."""
    names = ("canary", "rate", "stop_above", "reason")
    options = {name: value for name in names if (value := given.pop(name)) is not None}
    events = {name: value for name, value in given.items() if value is not None}
    if not events:
        raise click.UsageError("Choose which: --type, --key, --since, --until or --expression.")
    chosen = {"events": events, "subscription": subscription}
    with opened() as platform:
        if dry_run:
            preview = platform.replays.preview(chosen, options)
            if as_json:
                show_json(preview)
            else:
                show_preview(preview)
            return
        id = platform.replays.start(chosen, options, ACTOR)
    if as_json:
        show_json({"id": id})
    else:
        click.echo(f"Started replay {id}. How far it is: python -m app replays show {id}")
