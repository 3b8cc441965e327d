"""`python -m app commands`: which commands there are, and giving one."""

from __future__ import annotations

import json
from typing import Any

import click

from app.cli.parameters import JSON, SPAN, page_options
from app.cli.platform import ACTOR, opened
from app.cli.render import ago, json_option, show_json, show_page, show_table
from app.cqrs import refusals
from app.cqrs.command import COMMANDS, LEVELS
from app.errors import Conflict, NotFound
from app.store.commands import STATES


@click.group(
    epilog="""\b
Examples:
  python -m app commands list
  python -m app commands run item.sell '{"item": "tea", "pieces": 3}' --key order-7
"""
)
def commands() -> None:
    """List commands, and give one."""


@commands.command("list", epilog="\b\nExample:\n  python -m app commands list --json")
@json_option
def list_(as_json: bool) -> None:
    """The commands that the workers know, and who may give them."""
    with opened() as platform:
        found = platform.commands.list()
    if as_json:
        show_json({"items": found, "next": None})
        return
    columns: Any = {"command": "name", "takes": _fields, "who may": "level", "what it does": _first}
    show_table(found, columns, "None: declare one with @command, and start a worker.")


@commands.command(epilog="\b\nExample:\n  python -m app commands given --state refused")
@click.option("--command", help="Only of this command.")
@click.option("--state", type=click.Choice(STATES), help="Only in this state.")
@page_options
def given(as_json: bool, **filters: Any) -> None:
    """What was given in the last 14 days and what became of it, newest first."""
    with opened() as platform:
        page = platform.commands.given(**filters)
    columns: Any = {
        "command": "command",
        "state": "state",
        "by": "actor",
        "given": lambda row: ago(row["at"]),
        "position": "position",
        "key": "key",
        "why not": _why_not,
    }
    show_page(page, columns, as_json, "None yet: `python -m app commands run` gives one.")


@commands.command(epilog='\b\nExample:\n  python -m app commands run item.sell \'{"item": "tea"}\'')
@click.argument("name")
@click.argument("asked", type=JSON, default="{}")
@click.option(
    "--key", help="Idempotency key: the same again gets the same answer, and does nothing."
)
@click.option("--send", is_flag=True, help="Have a worker do it, and wait for its answer.")
@click.option("--timeout", type=SPAN, default="30s", help="For how long to wait for it: 30s, 5m.")
@json_option
def run(name: str, asked: Any, key: str | None, send: bool, timeout: float, as_json: bool) -> int:
    """Give a command: here, with the modules of PENSTOCK_HANDLERS, or by a worker.

    The status is 1 where it was refused, or isn't done by then: it waits, and is not lost.
    """
    from app.importing import import_handlers

    with opened() as platform:
        if send:
            id = platform.commands.send(name, asked, actor=ACTOR, may=LEVELS, key=key)
            told = platform.commands.wait(id, timeout)
        else:
            import_handlers(platform.settings)
            if name not in COMMANDS.commands:
                raise NotFound(
                    f"PENSTOCK_HANDLERS ({', '.join(platform.settings.handlers)}) has no command {name!r} "
                    "here: add its module, or let a worker carry it out (--send)."
                )
            told = platform.commands.execute(name, asked, actor=ACTOR, may=LEVELS, key=key)
    if told.get("problem"):
        raise refusals.raised(told["problem"])
    if letter := told.get("letter"):
        raise Conflict(
            f"{name} is {told['state']}, and nothing was done: its code failed."
            f" `python -m app dead-letters show {letter}` says with what."
        )
    waits = told.get("state") == "waiting"
    if as_json:
        show_json(told)
    elif waits:
        click.echo(
            f"{name} waits for a worker, and nothing is done yet; it is not lost. `python -m app commands given`"
            f" shows what becomes of it; its run is {told['id']}."
        )
    else:
        where = "" if told["position"] is None else f", position {told['position']}"
        answer = (
            "" if told["answer"] is None else f": {json.dumps(told['answer'], ensure_ascii=False)}"
        )
        click.echo(f"{name} is done{where}{answer}")
    return int(waits)


def _fields(row: dict[str, Any]) -> str:
    return ", ".join(row["schema"].get("properties", {}))


def _why_not(row: dict[str, Any]) -> str:
    if row["letter"]:
        return f"its code failed: dead letter {row['letter']}"
    return str((row["problem"] or {}).get("detail", ""))


def _first(row: dict[str, Any]) -> str:
    return next(iter(row["doc"].splitlines()), "")
