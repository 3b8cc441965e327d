"""`python -m app topics`: the topics, with what they hold and who reads them."""

from __future__ import annotations

import click

from app.cli.platform import opened
from app.cli.render import json_option, show_json, show_table


@click.command(epilog="\b\nExample:\n  python -m app topics --json")
@json_option
def topics(as_json: bool) -> None:
    """List the topics."""
    with opened() as platform:
        found = platform.topics.list()
    if as_json:
        show_json({"items": found, "next": None})
        return
    show_table(
        found,
        {
            "topic": "name",
            "partitions": "partitions",
            "events": lambda row: f"{row['events']:,}",
            "memory": lambda row: f"{row['bytes'] / 1e6:.1f} MB",
            "types": "types",
            "subscriptions": "subscriptions",
        },
        "There is no topic yet: the first event of a type makes one "
        "(`python -m app publish order.placed '{\"total\": 42}'`).",
    )
