"""`python -m app tokens …`: what programs sign in to the API with."""

from __future__ import annotations

import dataclasses
import time
from typing import Any

import click

from app.cli.parameters import SPAN
from app.cli.platform import ACTOR, opened
from app.cli.render import ago, json_option, show_json, show_table

SCOPES = ("read", "publish", "operate", "admin")


@click.group(
    epilog="\b\nExamples:\n  python -m app tokens create ci --scope publish --expires 90d\n"
    "  python -m app tokens revoke ID"
)
def tokens() -> None:
    """List, create and revoke API tokens."""


@tokens.command("list", epilog="\b\nExample:\n  python -m app tokens list")
@json_option
def list_(as_json: bool) -> None:
    """All tokens, newest first; never their secrets."""
    with opened() as platform:
        found = [dataclasses.asdict(token) for token in platform.tokens.find()]
    if as_json:
        show_json({"items": found, "next": None})
        return
    columns: Any = {
        "id": "id",
        "name": "name",
        "begins with": "prefix",
        "scopes": "scopes",
        "expires": "expires",
        "last used": lambda row: ago(row["last_used"]),
        "revoked": lambda row: ago(row["revoked"]),
    }
    show_table(found, columns, "No token yet: `python -m app tokens create NAME --scope read`")


@tokens.command(
    epilog="\b\nExample:\n  python -m app tokens create ci --scope read --scope publish"
)
@click.argument("name")
@click.option(
    "--scope", "scopes", multiple=True, required=True, type=click.Choice(SCOPES), help="May do."
)
@click.option("--expires", type=SPAN, help="Ends after 12h, 90d.")
@click.option("-q", "--quiet", is_flag=True, help="Print the secret alone.")
@json_option
def create(
    name: str, scopes: tuple[str, ...], expires: float | None, quiet: bool, as_json: bool
) -> None:
    """Make a token for NAME; its secret is shown once."""
    end = None if expires is None else time.time() + expires
    with opened() as platform, platform.audit.changing(ACTOR, "token.created", name) as change:
        token, secret = platform.tokens.create(name, scopes, end, ACTOR)
        change.after = {"scopes": list(scopes)}
    if as_json:
        show_json({"id": token.id, "name": name, "secret": secret, "scopes": list(scopes)})
        return
    if quiet:
        click.echo(secret)
        return
    click.echo(f"Token {token.id} for {name}; the secret is shown only now:\n{secret}")
    click.echo('Use it as: curl -H "Authorization: Bearer …" http://localhost:8000/api/v1/topics')


@tokens.command(epilog="\b\nExample:\n  python -m app tokens revoke ID")
@click.argument("id")
def revoke(id: str) -> None:
    """End a token now."""
    with opened() as platform, platform.audit.changing(ACTOR, "token.revoked", id):
        platform.tokens.revoke(id)
    click.echo(f"Revoked token {id}.")
