"""`python -m app aggregates …`: anything that is kept as its events, as it was at any time."""

from __future__ import annotations

import json
from typing import Any

import click

from app.cli.parameters import Moment, page_options
from app.cli.platform import opened, opened_with_handlers
from app.cli.render import ago, json_option, show_json, show_page, show_table
from app.sourcing.history import paths


@click.group(
    epilog="""\b
Examples:
  python -m app aggregates list --category model
  python -m app aggregates show model:digits --at 2h
  python -m app aggregates history model:digits
"""
)
def aggregates() -> None:
    """Show models, datasets and your aggregates as they were, and why."""


@aggregates.command("list", epilog="\b\nExample:\n  python -m app aggregates list --json")
@click.option("--category", help="Only these: model, dataset, or your own.")
@page_options
def list_(category: str | None, as_json: bool, **paging: Any) -> None:
    """Streams, those that began last first."""
    with opened() as platform:
        page = platform.past.find(category, **paging)
    columns: Any = {
        "stream": "stream",
        "version": "version",
        "last event": "last",
        "changed": lambda row: ago(row["changed"]),
    }
    empty = "Nothing is kept as events yet: a dataset's history begins with its upload."
    show_page(page, columns, as_json, empty)


@aggregates.command(epilog="\b\nExample:\n  python -m app aggregates show model:digits --version 3")
@click.argument("stream")
@click.option("--version", type=click.IntRange(min=1), help="As it was after so many events.")
@click.option("--at", type=Moment(), help="As it was then: a time, or 15m, 2h, 7d ago.")
@json_option
def show(stream: str, version: int | None, at: str | None, as_json: bool) -> None:
    """One aggregate's fields, each with the event and the actor that made it so."""
    if version is not None and at is not None:
        raise click.UsageError("Give --version or --at, not both.")
    with opened_with_handlers() as platform:
        found = platform.past.get(stream, version=version, at=at)
    if as_json:
        show_json(found)
        return
    click.echo(
        f"{stream} at version {found['version']} of {found['newest']}, since {found['recorded']}"
    )
    if not found["known"]:
        click.echo("Its class is in no module of PENSTOCK_HANDLERS: `history` shows its events.")
        return
    why = found["why"]
    rows = [{"field": field, "value": value} for field, value in paths(found["state"])]
    columns: Any = {
        "field": "field",
        "value": lambda row: json.dumps(row["value"], ensure_ascii=False),
        "because of": lambda row: _because(why.get(row["field"])),
        "by": lambda row: (why.get(row["field"]) or {}).get("actor"),
    }
    show_table(rows, columns, "It has no fields.")


@aggregates.command(epilog="\b\nExample:\n  python -m app aggregates history dataset:digits")
@click.argument("stream")
@page_options
def history(stream: str, as_json: bool, **paging: Any) -> None:
    """Its events, newest first, with the fields that each changed."""
    with opened_with_handlers() as platform:
        page = platform.past.history(stream, **paging)
    columns: Any = {
        "version": "version",
        "event": "type",
        "by": "actor",
        "at": "recorded",
        "changed": lambda row: ", ".join(map(_change, row["changes"])),
    }
    show_page(page, columns, as_json, "It has no events.")


def _because(by: Any) -> str:
    return f"{by['type']} (version {by['version']})" if by else "its start value"


def _change(change: Any) -> str:
    before, after = (json.dumps(change[name], ensure_ascii=False) for name in ("before", "after"))
    return f"{change['field']}: {before} → {after}"
