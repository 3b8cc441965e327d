"""`python -m app subscriptions cases` and `end-case`: what joins and processes keep for each key."""

from __future__ import annotations

from typing import Any

import click

from app.cli.platform import ACTOR, opened
from app.cli.render import json_option, show_page


@click.command(
    epilog="\b\nExample:\n  python -m app subscriptions cases shop.Checkout --state unpaid"
)
@click.argument("name")
@click.option("--state", help="Only these, such as waiting, expired or one of yours.")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True)
@click.option("--cursor", help="Where the page before ended.")
@json_option
def cases(name: str, state: str | None, limit: int, cursor: str | None, as_json: bool) -> None:
    """The keys of a join or a process: what has come of each, and until when it waits."""
    with opened() as platform:
        platform.subscriptions.get(name)
        page = platform.cases.of(name, state, limit, cursor)
    columns: dict[str, Any] = {one: one for one in ("key", "state", "since", "updated", "deadline")}
    columns["has"] = lambda row: row["fields"] or list(row["arrived"])
    show_page(page, columns, as_json, "No cases: only @on_all and @process keep some.")


@click.command(
    "end-case",
    epilog="\b\nExample:\n  python -m app subscriptions end-case shop.Checkout order-7 --reason 'paid by cash' --yes",
)
@click.argument("name")
@click.argument("keys", metavar="KEY...", nargs=-1, required=True)
@click.option("--reason", default="", help="Why; the audit log keeps it.")
@click.option("--yes", is_flag=True, help="Don't ask.")
def end_case(name: str, keys: tuple[str, ...], reason: str, yes: bool) -> None:
    """End cases of a join or a process that are stuck: what comes for these keys later changes nothing."""
    if not yes:
        click.confirm(
            f"{name} will give up {', '.join(keys)}: none of its code runs, nothing is undone, and no event "
            "tells of it. Go on?",
            abort=True,
        )
    with opened() as platform:
        platform.subscriptions.get(name)
        ended = platform.cases.end(name, keys, ACTOR, reason)
    click.echo(f"Ended {ended:,} of {name}.")
