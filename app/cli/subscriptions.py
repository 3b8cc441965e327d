"""`python -m app subscriptions …`: what an operator does with subscriptions."""

from __future__ import annotations

import json
from typing import Any

import click

from app.cli.cases import cases, end_case
from app.cli.parameters import JSON, MOMENT
from app.cli.platform import ACTOR, opened
from app.cli.render import duration, json_option, show_fields, show_json, show_table
from app.errors import NotFound


@click.group(
    epilog="""\b
Examples:
  python -m app subscriptions list
  python -m app subscriptions pause workers.handlers.train --reason "the disk is full"
  python -m app subscriptions rewind shop.handlers.notify --to 2h
"""
)
def subscriptions() -> None:
    """List, change, pause, resume, skip, rewind and delete subscriptions."""


subscriptions.add_command(cases)
subscriptions.add_command(end_case)


@subscriptions.command("list", epilog="\b\nExample:\n  python -m app subscriptions list --json")
@json_option
def list_(as_json: bool) -> None:
    """All subscriptions and how they are."""
    with opened() as platform:
        found = platform.subscriptions.list()
    if as_json:
        show_json({"items": found, "next": None})
        return
    show_table(
        found,
        {
            "subscription": "name",
            "state": _state,
            "lane": "lane",
            "priority": "priority",
            "types": "types",
            "backlog": lambda row: "unknown" if row["backlog"] is None else f"{row['backlog']:,}",
            "open": "open",
            "retrying": "retrying",
            "parked": "parked",
            "oldest": lambda row: duration(row["oldest"]),
        },
        "There is no subscription yet: a worker declares those of PENSTOCK_HANDLERS "
        "when it starts.",
    )


@subscriptions.command(
    epilog="\b\nExample:\n  python -m app subscriptions show workers.handlers.train"
)
@click.argument("name")
@json_option
def show(name: str, as_json: bool) -> None:
    """One subscription: what the code says, and what was changed."""
    with opened() as platform:
        found = platform.subscriptions.get(name)
    if found is None:
        raise NotFound(
            f"There is no subscription {name!r}: `python -m app subscriptions list` shows all"
        )
    if as_json:
        show_json(found)
        return
    fields: dict[str, Any] = {field: field for field in found if field not in ("state", "changed")}
    show_fields(found, {"name": "name", "state": _state, **fields})
    for field, values in found["changed"].items():
        click.echo(f"{field} was changed: the code says {values['code']}, now {values['now']}")


@subscriptions.command(
    epilog='\b\nExample:\n  python -m app subscriptions pause shop.handlers.charge --reason "…"'
)
@click.argument("name")
@click.option("--reason", default="", help="Everybody sees it.")
def pause(name: str, reason: str) -> None:
    """Shut a gate: nothing is handled until it is resumed; nothing is lost."""
    with opened() as platform:
        platform.subscriptions.pause(name, ACTOR, reason)
    click.echo(f"Paused {name}. Open it again with: python -m app subscriptions resume {name}")


@subscriptions.command(
    epilog="\b\nExample:\n  python -m app subscriptions resume shop.handlers.charge"
)
@click.argument("name")
def resume(name: str) -> None:
    """Open a gate again: what has waited is handled."""
    with opened() as platform:
        platform.subscriptions.resume(name, ACTOR)
    click.echo(f"Resumed {name}.")


@subscriptions.command(
    epilog="""\b
Examples:
  python -m app subscriptions change shop.handlers.charge rate=50 concurrency=2 priority=low
  python -m app subscriptions change shop.handlers.charge retry='{"attempts": 8}' lane=training
  python -m app subscriptions change shop.handlers.notify filter='{"cel": "event.data.total > 100"}'
  python -m app subscriptions change shop.handlers.charge rate=null
"""
)
@click.argument("name")
@click.argument("settings", nargs=-1, required=True, metavar="SETTING=VALUE...")
@json_option
def change(name: str, settings: tuple[str, ...], as_json: bool) -> None:
    """Change how a subscription is served, while it runs; deploys keep it.

    The settings are those that the API changes: retry, filter, timeout, concurrency, rate, lane
    and priority. A value is JSON or a word; null lets the code's value count again.
    """
    with opened() as platform:
        platform.subscriptions.update(name, dict(map(_setting, settings)), ACTOR)
        found = platform.subscriptions.get(name)
    if as_json:
        show_json(found)
        return
    click.echo(f"Changed {name}. Workers take it up within a second.")
    for field, values in found["changed"].items():
        click.echo(f"{field}: the code says {values['code']}, now {values['now']}")
    if not found["served"]:
        click.echo(
            f"No live worker serves the lane {found['lane']}: its events wait until one is started"
            f" with -Q {found['lane']}.",
            err=True,
        )


@subscriptions.command(
    "try-filter",
    epilog="\b\nExample:\n  python -m app subscriptions try-filter shop.handlers.notify"
    """ '{"cel": "event.data.total > 100"}'""",
)
@click.argument("name")
@click.argument("filter", type=JSON)
@json_option
def try_filter(name: str, filter: Any, as_json: bool) -> None:
    """What a filter would let through of the last thousand events; changes nothing."""
    from app.subscriptions.filter_trial import try_filter as tried

    with opened() as platform:
        found = tried(platform, name, filter)
    if as_json:
        show_json(found)
        return
    click.echo(
        f"Of the last {found['looked']:,} events {found['would_pass']:,} would pass; now"
        f" {found['passed_now']:,} do ({found['gain']:,} more, {found['lose']:,} fewer)."
    )
    if found["failed"]:
        click.echo(f"It fails on {found['failed']:,}, which would be parked: {found['problem']}")


@subscriptions.command(
    epilog="\b\nExample:\n  python -m app subscriptions skip shop.handlers.notify --yes"
)
@click.argument("name")
@click.option("--yes", is_flag=True, help="Don't ask.")
def skip(name: str, yes: bool) -> None:
    """Leave out what waits: go on with what comes from now on."""
    if not yes:
        click.confirm(f"{name} will leave out every event that waits now. Go on?", abort=True)
    with opened() as platform:
        platform.subscriptions.skip(name, ACTOR)
    click.echo(
        f"Skipped the backlog of {name}. The events are kept: "
        f"`python -m app subscriptions rewind {name} --to 1h` brings them back."
    )


@subscriptions.command(
    epilog="""\b
Examples:
  python -m app subscriptions rewind shop.handlers.profile --to 2h --yes
  python -m app subscriptions rewind shop.handlers.profile --to start
"""
)
@click.argument("name")
@click.option("--to", required=True, help="A time, 2h ago, `start` (the earliest kept) or `now`.")
@click.option("--yes", is_flag=True, help="Don't ask.")
def rewind(name: str, to: str, yes: bool) -> None:
    """Move a subscription's position; what lies after it is handled again."""
    to = {"start": "earliest"}.get(to, to)
    position = to if to in ("earliest", "now") else MOMENT.convert(to, None, None)
    if not yes:
        since = "the earliest kept" if to == "earliest" else to
        done = (
            f"{name} will leave out all that waits for it."
            if to == "now"
            else f"{name} will handle every event since {since} again, and its effects will happen again."
        )
        click.confirm(f"{done} Go on?", abort=True)
    with opened() as platform:
        platform.subscriptions.rewind(name, position, ACTOR)
    click.echo(f"Rewound {name} to {to}.")


@subscriptions.command(
    epilog="\b\nExample:\n  python -m app subscriptions figures shop.handlers.charge --range 24h"
)
@click.argument("name")
@click.option(
    "--range", "over", type=click.Choice(["15m", "1h", "24h", "7d", "30d"]), default="1h",
    show_default=True, help="How far back.",
)  # fmt: skip
@json_option
def figures(name: str, over: str, as_json: bool) -> None:
    """What a subscription did over time: throughput, lag, times, failures."""
    with opened() as platform:
        platform.subscriptions.get(name)
        found = platform.charted.over(over, subscription=name)
    if as_json:
        show_json(found)
        return
    columns: dict[str, Any] = {name: name for name in ("at", "in", "done", "retried", "parked")}
    for what, share in (("waited", "p95"), ("worked", "p50"), ("worked", "p95")):
        columns[f"{what} {share}"] = _time(what, share)
    columns["lag"] = _time("lag", "seconds")
    show_table(found["rows"], columns, "Nothing yet.")


def _time(what: str, part: str) -> Any:
    return lambda row: duration(row[what][part])


def _setting(text: str) -> tuple[str, Any]:
    """`rate=50`: a setting and its value, JSON where it is some, else a word."""
    field, equals, value = text.partition("=")
    if not equals:
        raise click.UsageError(f"{text!r} is no setting with a value: write rate=50")
    try:
        return field, json.loads(value)
    except ValueError:
        return field, value


def _state(row: Any) -> str:
    if row["paused"]:
        reason = f": {row['paused']['reason']}" if row["paused"].get("reason") else ""
        return f"paused by {row['paused']['by']}{reason}"
    return str(row["state"] if row.get("active", True) else "retired")


@subscriptions.command(
    epilog="""\b
Examples:
  python -m app subscriptions delete crm.orders --dry-run
  python -m app subscriptions delete old.handlers.mail --yes
"""
)
@click.argument("name")
@click.option("--dry-run", is_flag=True, help="Only say what would be lost.")
@click.option("--yes", is_flag=True, help="Don't ask.")
@json_option
def delete(name: str, dry_run: bool, yes: bool, as_json: bool) -> None:
    """Delete a webhook, or one that no code declares any more, with what waits for it."""
    with opened() as platform:
        lost = platform.subscriptions.deletion(name)
        if not as_json:
            backlog = "unknown" if lost["backlog"] is None else f"{lost['backlog']:,}"
            click.echo(
                f"Lost for {name}: {backlog} waiting, {lost['open']:,} open, {lost['retrying']:,}"
                f" to be tried again, {lost['cases']:,} open cases. Its {lost['parked']:,} dead letters"
                " and all events stay."
            )
        if not dry_run:
            if not yes:
                click.confirm(f"Delete {name}?", abort=True)
            lost = platform.subscriptions.delete(name, ACTOR)
    if as_json:
        show_json(lost)
    elif not dry_run:
        click.echo(f"Deleted {name}.")
