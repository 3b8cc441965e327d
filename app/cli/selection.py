"""Choosing dead letters on the command line: by id, by group, or by a filter."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from app.cli.parameters import between_options


def selection_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """IDS, `--group`, and the filters; at least one of them."""
    command = between_options(command)
    for option in (
        click.option("--search", "q", help="Only those that contain this text."),
        click.option("--type", help="Only events of this type."),
        click.option("--of", "of", metavar="SUBSCRIPTION", help="Only of this subscription."),
        click.option("--group", help="All with the same failure (`dead-letters groups`)."),
        click.argument("ids", nargs=-1),
    ):
        command = option(command)
    return command


def selection(
    ids: tuple[str, ...],
    group: str | None,
    of: str | None,
    type: str | None,
    q: str | None,
    since: str | None,
    until: str | None,
) -> dict[str, Any]:
    """What the platform takes. Raises UsageError where nothing, or two things, were chosen."""
    given = {"subscription": of, "type": type, "q": q, "since": since, "until": until}
    chosen = {name: value for name, value in given.items() if value is not None}
    if bool(ids) + bool(group) + bool(chosen) != 1:
        raise click.UsageError(
            "Choose what: ids, or --group, or filters (--of, --type, --search, --since, --until)."
        )
    if ids:
        return {"dead_letters": list(ids)}
    return {"group": group} if group else {"filter": chosen}
