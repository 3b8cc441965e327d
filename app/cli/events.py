"""`python -m app events …`: what was published, from the archive."""

from __future__ import annotations

import json
from typing import Any

import click

from app.cli.parameters import between_options, page_options
from app.cli.platform import opened
from app.cli.render import ago, show_json, show_page
from app.errors import NotFound

LONGEST = 80  # characters of data in a table


@click.group(
    epilog="""\b
Examples:
  python -m app events list --type order.placed --where 'data.amount > 100'
  python -m app events show ID
"""
)
def events() -> None:
    """Search the archive, show one event."""


@events.command(
    "list", epilog="\b\nExample:\n  python -m app events list --key customer-1 --since 1d"
)
@click.option("--type", help="Only this type; `order.*` is a beginning.")
@click.option("--subject", help="Only this subject.")
@click.option("--key", "partitionkey", help="Only this partition key.")
@click.option("--run", "correlationid", help="Only this run.")
@click.option("--search", "q", help="Only those that contain this text.")
@click.option("--where", "expression", help="Only those that this CEL expression wants.")
@between_options
@page_options
def list_(as_json: bool, **filters: Any) -> None:
    """Events, newest first. A search may end early and say from where to go on."""
    with opened() as platform:
        page = platform.archive.find(**filters)
    columns: Any = {
        "event": "id",
        "type": "type",
        "when": lambda row: ago(row["time"]),
        "subject": lambda row: row.get("subject"),
        "key": lambda row: row.get("partitionkey"),
        "data": _data,
    }
    empty = "Nothing so far: go on as said below." if page.next else "No event fits."
    show_page(page, columns, as_json, empty)


@events.command(epilog="\b\nExample:\n  python -m app events show ID | jq .event.data")
@click.argument("id")
def show(id: str) -> None:
    """One event as it is kept, and where, as JSON."""
    with opened() as platform:
        found = platform.archive.get(id)
    if found is None:
        raise NotFound(f"No event {id!r} is in the archive (new ones take a second).")
    show_json(found)


def _data(row: Any) -> str:
    text = json.dumps(row.get("data"), ensure_ascii=False)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} …"
