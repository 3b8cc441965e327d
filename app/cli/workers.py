"""`python -m app workers …`: who is at work, and stopping one."""

from __future__ import annotations

from typing import Any

import click

from app.cli.platform import ACTOR, opened
from app.cli.render import ago, json_option, show_json, show_table


@click.group(
    epilog="\b\nExamples:\n  python -m app workers list\n"
    '  python -m app workers stop ID --reason "it leaks"'
)
def workers() -> None:
    """List the worker processes; stop one gracefully."""


@workers.command("list", epilog="\b\nExample:\n  python -m app workers list --json")
@json_option
def list_(as_json: bool) -> None:
    """Each worker with its lanes, memory and what it does now."""
    with opened() as platform:
        found = platform.workers.list()
    if as_json:
        show_json({"items": found, "next": None})
        return
    columns: Any = {
        "worker": "id",
        "state": _state,
        "lanes": "lanes",
        "pool": lambda row: f"{row['pool']}, {row['concurrency']}",
        "up since": lambda row: ago(row["started"]),
        "memory": lambda row: f"{row['memory'] / 1e6:.0f} MB" if row.get("memory") else None,
        "does": lambda row: [slot["subscription"] for slot in row["slots"]],
    }
    show_table(found, columns, "No worker runs: start one with `celery -A workers worker`.")


@workers.command(epilog='\b\nExample:\n  python -m app workers stop ID --reason "it leaks"')
@click.argument("id")
@click.option("--reason", default="", help="Why; it is kept in the audit.")
def stop(id: str, reason: str) -> None:
    """Have a worker finish what it has in hand, give back the rest, and end."""
    with opened() as platform:
        platform.workers.stop(id, ACTOR, reason)
    click.echo(f"{id} was told to stop.")


def _state(row: Any) -> str:
    if not row["alive"]:
        return "silent"
    return "stopping" if row["stopping"] else "alive"
