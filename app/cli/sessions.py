"""`python -m app sessions …`: who is signed in to the console, and ending it."""

from __future__ import annotations

from typing import Any

import click

from app.cli.platform import ACTOR, opened
from app.cli.render import ago, json_option, show_json, show_table


@click.group(
    epilog="""\b
Examples:
  python -m app sessions list --user ann
  python -m app sessions end ID
"""
)
def sessions() -> None:
    """List and end sessions of the console."""


@sessions.command("list", epilog="\b\nExample:\n  python -m app sessions list --json")
@click.option("--user", help="Only this person's.")
@json_option
def list_(user: str | None, as_json: bool) -> None:
    """The sessions that go on, the last used first."""
    with opened() as platform:
        found = platform.sessions.find(user)
    if as_json:
        show_json({"items": found, "next": None})
        return
    columns: Any = {
        "session": "id",
        "user": "user",
        "used": lambda row: ago(row["used"]),
        "begun": lambda row: ago(row["begun"]),
        "from": "address",
        "browser": lambda row: str(row["agent"])[:60],
    }
    show_table(found, columns, "Nobody is signed in.")


@sessions.command(epilog="\b\nExample:\n  python -m app sessions end ID")
@click.argument("id")
def end(id: str) -> None:
    """End one: its next page is the sign-in."""
    with (
        opened() as platform,
        platform.audit.changing(ACTOR, "session.revoked", f"session:{id}") as change,
    ):
        ended = platform.sessions.revoke(id, ACTOR)
        change.before = {name: ended[name] for name in ("user", "address", "begun")}
    click.echo(f"The session of {ended['user']} is over.")
