"""`python -m app users …`: who may sign in to the console."""

from __future__ import annotations

import dataclasses
import secrets
import sys
from typing import Any

import click

from app.cli.platform import ACTOR, opened
from app.cli.render import ago, json_option, show_json, show_table

ROLES = click.Choice(["viewer", "operator", "administrator"])


@click.group(
    epilog="\b\nExamples:\n  python -m app users add ann --role operator\n"
    "  python -m app users password admin"
)
def users() -> None:
    """List and add people; set a password; shut somebody out."""


@users.command("list", epilog="\b\nExample:\n  python -m app users list")
@json_option
def list_(as_json: bool) -> None:
    """Everybody who may sign in."""
    with opened() as platform:
        found = [_shown(user) for user in platform.users.find()]
    if as_json:
        show_json({"items": found, "next": None})
        return
    columns: Any = {
        "name": "name",
        "role": lambda row: row["role"] if row["active"] else f"{row['role']}, shut out",
        "last sign-in": lambda row: ago(row["last_sign_in"]),
    }
    show_table(found, columns, "Nobody yet: `python -m app users add admin --role administrator`")


@users.command(
    epilog="\b\nExamples:\n  python -m app users add ann --role operator\n"
    "  echo a-long-password | python -m app users add bob --password-stdin"
)
@click.argument("name")
@click.option("--role", type=ROLES, default="viewer", show_default=True)
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@json_option
def add(name: str, role: str, password_stdin: bool, as_json: bool) -> None:
    """Let NAME sign in. Without --password-stdin a password is made and shown once."""
    password = _password(password_stdin)
    with opened() as platform, platform.audit.changing(ACTOR, "user.added", name) as change:
        platform.users.create(name, password, role)
        change.after = {"role": role}
    _tell(name, password, made=not password_stdin, as_json=as_json, done=f"Added {name} ({role}).")


@users.command(epilog="\b\nExample:\n  python -m app users password admin")
@click.argument("name")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@json_option
def password(name: str, password_stdin: bool, as_json: bool) -> None:
    """Set NAME's password and end their sessions."""
    new = _password(password_stdin)
    with opened() as platform, platform.audit.changing(ACTOR, "user.password-set", name):
        platform.users.set_password(name, new)
    _tell(name, new, made=not password_stdin, as_json=as_json, done=f"{name} has a new password.")


@users.command("shut-out", epilog="\b\nExample:\n  python -m app users shut-out ann")
@click.argument("name")
def shut_out(name: str) -> None:
    """Sign NAME out everywhere, and let them in no more."""
    with opened() as platform, platform.audit.changing(ACTOR, "user.shut-out", name):
        platform.users.set_active(name, False)
    click.echo(f"{name} can't sign in any more. Tokens that they made still work: `tokens list`.")


@users.command("let-in", epilog="\b\nExample:\n  python -m app users let-in ann")
@click.argument("name")
def let_in(name: str) -> None:
    """Let NAME sign in again, with the password as it was."""
    with opened() as platform, platform.audit.changing(ACTOR, "user.let-in", name):
        platform.users.set_active(name, True)
    click.echo(f"{name} may sign in again.")


def _password(from_standard_input: bool) -> str:
    return sys.stdin.readline().rstrip("\n") if from_standard_input else secrets.token_urlsafe(12)


def _tell(name: str, password: str, *, made: bool, as_json: bool, done: str) -> None:
    if as_json:
        show_json({"name": name, **({"password": password} if made else {})})
        return
    click.echo(done)
    if made:
        click.echo(f"Password: {password}")


def _shown(user: object) -> dict[str, object]:
    shown = dataclasses.asdict(user) if dataclasses.is_dataclass(user) else dict(vars(user))  # type: ignore[arg-type]
    return {name: value for name, value in shown.items() if "password" not in name}
