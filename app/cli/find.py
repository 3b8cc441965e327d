"""`python -m app find`: anything by its id, the beginning of one, or a part of a name."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from app.cli.platform import opened
from app.cli.render import ago, json_option, show_json, show_table


@click.command(
    epilog="""\b
Examples:
  python -m app find 01976f2e
  python -m app find customer-42
  python -m app find charge --json
"""
)
@click.argument("q", metavar="WHAT")
@json_option
def find(q: str, as_json: bool) -> None:
    """Find WHAT: an id or its beginning, a subject or key of events, a part of a name."""
    from app.finding import find as look

    with opened() as platform:
        found = look(platform, q)
    if as_json:
        items: list[dict[str, Any]] = [asdict(one) for one in found.items]
        for item in items:
            del item["fit"]
        show_json({"items": items, "unasked": found.unasked})
        return
    columns: Any = {
        "kind": "kind",
        "id": "id",
        "what": lambda row: "" if row["title"] == row["id"] else row["title"],
        "about": "about",
        "when": lambda row: ago(row["at"]) if row["at"] else "",
    }
    show_table(map(asdict, found.items), columns, "Nothing has this id or name.")
    for problem in found.unasked:
        click.echo(f"Not asked: {problem}", err=True)
