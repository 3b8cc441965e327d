"""`python -m app outbox`: what SQL has committed and the relay has yet to publish, or can't."""

from __future__ import annotations

from typing import Any

import click

from app.cli.platform import ACTOR, opened
from app.cli.render import duration, json_option, show_json, show_page

WHY = click.option("--reason", default="", help="Why, for the audit log.")


@click.group(epilog="\b\nExample:\n  python -m app outbox list")
def outbox() -> None:
    """See what waits to be published; retry or discard what can't be."""


@outbox.command("list", epilog="\b\nExample:\n  python -m app outbox list --json")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True)
@click.option("--cursor", help="Where the page before ended.")
@json_option
def list_refused(limit: int, cursor: str | None, as_json: bool) -> None:
    """List events that can't be published, and how much waits."""
    with opened() as platform:
        told = platform.outgoing.status()
        page = platform.outgoing.refused(limit, cursor)
    if as_json:
        show_json({"items": page.items, "next": page.next, **told})
        return
    relay = told["relay"]
    since = f", the oldest since {duration(relay['seconds'])}" if relay["seconds"] else ""
    click.echo(
        f"{told['waiting']:,} wait, {told['later']:,} are for later, {told['refused']:,} can't be "
        f"published; the relay ({relay['owner'] or 'none runs'}) is {relay['lag']:,} events behind{since}."
    )
    columns: Any = {
        "id": "id",
        "type": lambda row: row["event"]["type"],
        "event": lambda row: row["event"]["id"],
        "problem": "problem",
    }
    show_page(page, columns, as_json=False, empty="Every event can be published.")


@outbox.command(epilog="\b\nExample:\n  python -m app outbox retry 17")
@click.argument("id", type=int)
@WHY
def retry(id: int, reason: str) -> None:
    """Have the relay publish it again."""
    with opened() as platform:
        platform.outgoing.retry(id, ACTOR, reason)
    click.echo(
        f"{id} is sent again; `python -m app outbox list` shows it where it's refused again."
    )


@outbox.command(epilog="\b\nExample:\n  python -m app outbox discard 17 --yes")
@click.argument("id", type=int)
@WHY
@click.confirmation_option(prompt="It will never be published. Go on?")
def discard(id: int, reason: str) -> None:
    """Give an event up; the audit log keeps it."""
    with opened() as platform:
        platform.outgoing.discard(id, ACTOR, reason)
    click.echo(f"{id} is given up; the audit log keeps it.")
