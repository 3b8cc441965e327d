"""`python -m app audit`: who changed what, and the log as a file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from app.cli.parameters import between_options, page_options
from app.cli.platform import opened
from app.cli.render import show_page
from app.store.audit_export import FORMATS, lines


def filter_options(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option("--cause", help="In which request, or by which event."),
        click.option("--target", help="To what, such as subscription:NAME."),
        click.option("--action", help="What was done, such as subscription.paused."),
        click.option("--actor", help="Who: user:NAME, token:NAME or cli."),
        between_options,
    ):
        command = option(command)
    return command


@click.group(epilog="\b\nExample:\n  python -m app audit list --actor user:admin --since 7d")
def audit() -> None:
    """Look into the audit log, and export it."""


@audit.command("list", epilog="\b\nExample:\n  python -m app audit list --action user.signed-in")
@filter_options
@page_options
def list_audit(limit: int, cursor: str | None, as_json: bool, **filters: Any) -> None:
    """List what people and tokens changed, newest first."""
    with opened() as platform:
        page = platform.audit.find(**filters, limit=limit, cursor=cursor)
    columns: dict[str, Any] = {
        "at": "at", "who": "actor", "from": _place, "did": "action", "to": "target", "before": "before",
        "after": "after", "details": lambda row: row["details"] or None,
    }  # fmt: skip
    show_page(page, columns, as_json, "Nothing matches: every change is written here.")


@audit.command(
    epilog="\b\nExample:\n  python -m app audit export --format csv --since 30d > audit.csv"
)
@click.option("--format", type=click.Choice(FORMATS), default="jsonl", show_default=True)
@filter_options
def export(format: str, **filters: Any) -> None:
    """Write all that matches to standard output; formulas in CSV are made harmless."""
    with opened() as platform:
        for line in lines(platform.audit.all(**filters), format):
            click.echo(line, nl=False)


def _place(row: dict[str, Any]) -> str:
    return " ".join(part for part in (row["interface"], row["address"]) if part)
