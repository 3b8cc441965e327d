"""`python -m app projections`: the read models that are made from events, and what an operator does with them."""

from __future__ import annotations

from typing import Any

import click

from app.cli.platform import ACTOR, opened
from app.cli.render import duration, json_option, show_json, show_table


@click.group(
    invoke_without_command=True, epilog="\b\nExample:\n  python -m app projections rebuild sales"
)
@json_option
@click.pass_context
def projections(context: click.Context, as_json: bool) -> None:
    """List projections; rebuild, pause, resume, skip in or reset one."""
    if context.invoked_subcommand is None:
        _list(as_json)


@projections.command("list", epilog="\b\nExample:\n  python -m app projections list --json")
@json_option
def list_projections(as_json: bool) -> None:
    """List the read models and how far behind they are: the console's in seconds, others in events."""
    _list(as_json)


def _list(as_json: bool) -> None:
    with opened() as platform:
        ours = [_ours(row) for row in platform.subscriptions.projections()]
        found = [*platform.projections.list(), *ours]
    if as_json:
        show_json({"items": found, "next": None})
        return
    columns: Any = {
        "projection": "name",
        "kind": "kind",
        "state": "state",
        "behind": _behind,
        "beside it": _beside,
        "problem": lambda row: row.get("problem") or "",
    }
    show_table(found, columns, "None yet: a worker declares them when it starts.")


def _ours(row: dict[str, Any]) -> dict[str, Any]:
    shown = {field: row[field] for field in ("name", "state", "backlog", "oldest", "parked")}
    return {**shown, "kind": "console"}


def _behind(row: dict[str, Any]) -> str:
    return duration(row["oldest"]) if row["kind"] == "console" else f"{row['lag']:,} events"


def _beside(row: dict[str, Any]) -> str:
    building = row.get("building")
    return f"version {building['version']}: {building['progress']:.0%}" if building else ""


@projections.command(epilog="\b\nExample:\n  python -m app projections rebuild sales")
@click.argument("name")
def rebuild(name: str) -> None:
    """Build a projection anew beside the live one, which it replaces when it has caught up."""
    with opened() as platform:
        platform.projections.rebuild(name, ACTOR)
    click.echo(f"{name} is built anew; `python -m app projections list` shows how far it is.")


@projections.command(epilog="\b\nExample:\n  python -m app projections pause sales")
@click.argument("name")
def pause(name: str) -> None:
    """Let a projection or reactor read no further."""
    with opened() as platform:
        platform.projections.pause(name, ACTOR)
    click.echo(f"{name} is paused; `python -m app projections resume {name}` undoes it.")


@projections.command(epilog="\b\nExample:\n  python -m app projections resume sales")
@click.argument("name")
def resume(name: str) -> None:
    """Let it go on; one that an event stopped tries that event again."""
    with opened() as platform:
        platform.projections.resume(name, ACTOR)
    click.echo(f"{name} goes on.")


@projections.command(epilog="\b\nExample:\n  python -m app projections skip sales")
@click.argument("name")
def skip(name: str) -> None:
    """Leave out the event that stopped it, and go on behind it."""
    with opened() as platform:
        platform.projections.skip(name, ACTOR)
    click.echo(f"{name} goes on behind the event that stopped it.")


@projections.command(epilog="\b\nExample:\n  python -m app projections reset sales --yes")
@click.argument("name")
@click.confirmation_option(prompt="Its tables are emptied and filled again. Go on?")
def reset(name: str) -> None:
    """Empty a projection's tables and begin at the first event."""
    with opened() as platform:
        platform.projections.reset(name, ACTOR)
    click.echo(f"{name} begins anew.")
