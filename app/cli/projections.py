"""`python -m app projections`: the read models that are made from events, and how far they are."""

from __future__ import annotations

from typing import Any

import click

from app.cli.platform import opened
from app.cli.render import duration, json_option, show_json, show_table


@click.command(epilog="\b\nExample:\n  python -m app projections --json")
@json_option
def projections(as_json: bool) -> None:
    """List the read models and how far behind they are."""
    with opened() as platform:
        found = [_shown(row) for row in platform.subscriptions.projections()]
    if as_json:
        show_json({"items": found, "next": None})
        return
    columns: Any = {
        "projection": "name",
        "state": "state",
        "backlog": lambda row: "unknown" if row["backlog"] is None else f"{row['backlog']:,}",
        "behind": lambda row: duration(row["oldest"]),
        "parked": "parked",
    }
    show_table(found, columns, "None yet: a worker declares them when it starts.")


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    return {field: row[field] for field in ("name", "state", "backlog", "oldest", "parked")}
