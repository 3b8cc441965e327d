"""`python -m app webhooks …`: HTTP endpoints that are sent events."""

from __future__ import annotations

from typing import Any

import click

from app.cli.parameters import JSON
from app.cli.platform import ACTOR, opened
from app.cli.render import json_option, show_json, show_table


@click.group(
    epilog="""\b
Examples:
  python -m app webhooks create crm.orders https://crm.example.com/hooks --type order.placed
  python -m app webhooks list
  python -m app subscriptions delete crm.orders

What holds for any subscription (pause, rewind, retries, dead letters) holds for a webhook.
"""
)
def webhooks() -> None:
    """List, create and change webhooks; renew a secret."""


@webhooks.command("list", epilog="\b\nExample:\n  python -m app webhooks list --json")
@json_option
def list_(as_json: bool) -> None:
    """All webhooks and where they lead."""
    with opened() as platform:
        found = [
            {"name": row["name"], "types": row["types"], "url": row["webhook"]["url"]}
            for row in platform.webhooks.list()
        ]
    if as_json:
        show_json({"items": found, "next": None})
        return
    columns: Any = {"webhook": "name", "types": "types", "address": "url"}
    show_table(
        found, columns, "There is no webhook yet: `python -m app webhooks create` makes one."
    )


@webhooks.command(
    epilog="\b\nExample:\n  python -m app webhooks create crm.orders https://crm.example.com/hooks"
    ' --type order.placed --filter \'{"cel": "data.total > 100"}\''
)
@click.argument("name")
@click.argument("url")
@click.option("--type", "types", multiple=True, required=True, help="May be given many times.")
@click.option("--filter", type=JSON, help="Only events that this filter lets through.")
@click.option(
    "--start", type=click.Choice(["now", "earliest"]), default="now", show_default=True,
    help="With what comes from now on, or with the earliest event kept.",
)  # fmt: skip
@json_option
def create(
    name: str, url: str, types: tuple[str, ...], filter: Any, start: str, as_json: bool
) -> None:
    """Send events to URL, signed as Standard Webhooks does it; prints the secret, once."""
    with opened() as platform:
        secret = platform.webhooks.create(name, url, types, ACTOR, filter=filter, start=start)
    _tell(name, secret, as_json)


@webhooks.command(
    epilog="\b\nExample:\n  python -m app webhooks change crm.orders --url https://crm.example.com/v2"
)
@click.argument("name")
@click.option("--url", help="Where it leads from now on.")
@click.option("--type", "types", multiple=True, help="Its types from now on; may be repeated.")
def change(name: str, url: str | None, types: tuple[str, ...]) -> None:
    """Another address, or other types."""
    if url is None and not types:
        raise click.UsageError("Say what is to change: --url or --type.")
    with opened() as platform:
        platform.webhooks.change(name, ACTOR, url=url, types=types or None)
    click.echo(f"Changed {name}. Workers take it up within a second.")


@webhooks.command(epilog="\b\nExample:\n  python -m app webhooks renew crm.orders")
@click.argument("name")
@json_option
def renew(name: str, as_json: bool) -> None:
    """A new secret; for a day requests bear the signature of the old one too."""
    with opened() as platform:
        secret = platform.webhooks.renew(name, ACTOR)
    _tell(name, secret, as_json)


def _tell(name: str, secret: str, as_json: bool) -> None:
    if as_json:
        show_json({"name": name, "secret": secret})
        return
    click.echo(f"The secret of {name}, which is not shown again:\n{secret}")
