"""`python -m app projections`: the read models that are made from events, and what an operator does with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
import msgspec
from rich.console import Console
from rich.progress import Progress

from app.cli.parameters import MOMENT, SPAN
from app.cli.platform import ACTOR, opened, opened_with_handlers
from app.cli.render import ago, duration, json_option, show_json, show_table
from app.cqrs.own_rebuild import CONSOLE
from app.cqrs.reaching import sentence
from app.errors import Conflict
from app.store.moments import seconds

if TYPE_CHECKING:
    from app.bootstrap import Platform

ALONE = 15.0
"""Seconds that a rebuild is watched while no worker goes on with it: in a deploy one comes back."""
WHY = click.option("--reason", default="", help="Why, for the audit log.")


@click.group(
    invoke_without_command=True, epilog="\b\nExample:\n  python -m app projections rebuild sales"
)
@json_option
@click.pass_context
def projections(context: click.Context, as_json: bool) -> None:
    """List projections; rebuild (or cancel that), pause, resume, skip in, reset or remove one."""
    if context.invoked_subcommand is None:
        _list(as_json)


@projections.command("list", epilog="\b\nExample:\n  python -m app projections list --json")
@json_option
def list_projections(as_json: bool) -> None:
    """List the read models, and how far behind each is in events and seconds."""
    _list(as_json)


def _list(as_json: bool) -> None:
    with opened() as platform:
        found = platform.projections.all()
    if as_json:
        show_json({"items": found, "next": None})
        return
    columns: Any = {
        "projection": "name",
        "kind": "kind",
        "state": _state,
        "behind": _behind,
        "beside it": _beside,
        "problem": _problem,
    }
    show_table(found, columns, "None yet: a worker declares them when it starts.")


def _problem(row: dict[str, Any]) -> str:
    slow = row.get("slow") or {}
    return row.get("problem") or slow.get("what_to_do") or ""


def _state(row: dict[str, Any]) -> str:
    if slow := row.get("slow"):
        return f"{row['state']}, held up since {ago(slow['since'])}"
    return f"{row['state']}, in no worker's code" if row.get("declared") is False else row["state"]


def _behind(row: dict[str, Any]) -> str:
    events, seconds = row["behind"]["events"], row["behind"]["seconds"]
    waits = "unknown" if events is None else f"{events:,} event{'' if events == 1 else 's'}"
    return f"{waits}, {duration(seconds)}" if seconds else waits


def _beside(row: dict[str, Any]) -> str:
    building = row.get("building")
    return f"version {building['version']}: {building['progress']:.0%}" if building else ""


@projections.command(epilog="\b\nExample:\n  python -m app projections rebuild sales")
@click.argument("name")
@WHY
@click.option("--wait", "waits", is_flag=True, help="Show how far it is until it is done.")
def rebuild(name: str, reason: str, waits: bool) -> None:
    """Build NAME anew beside the live one, which it replaces when it has caught up.

    `runs` are the console's own rows (runs, deliveries, figures), from what the archive keeps.
    """
    with opened() as platform:
        platform.projections.rebuild(name, ACTOR, reason)
        if waits:
            _watch(platform, name)
            click.echo(f"{name} is built anew.")
            return
        told = platform.projections.get(name)
        alone = _alone(platform, told)
    if _is_paused(told):
        when = f"will be built anew when it is resumed: `python -m app projections resume {name}`."
    elif alone:
        when = f"waits to be built anew. {alone} It begins then by itself."
    else:
        when = "is being built anew; `python -m app projections list` shows how far it is."
    click.echo(f"{name} {when}")


def _is_paused(told: dict[str, Any]) -> bool:
    """Of the console's own rows the archive's pause is told, which holds no rebuild up."""
    return bool(told["state"] == "paused" and told["kind"] != CONSOLE)


def _watch(platform: Platform, name: str) -> None:
    """Until nothing is built beside it. Raises `Conflict` where it doesn't go on by itself."""
    clock = platform.clock
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(name, total=1.0)
        position, until = None, clock.monotonic() + ALONE
        while building := (told := platform.projections.get(name))["building"]:
            if building["problem"]:
                raise Conflict(f"The rebuild of {name} is stopped: {building['problem']}")
            if _is_paused(told):
                raise Conflict(
                    f"{name} is paused, and so is its rebuild: `python -m app projections resume {name}`."
                )
            if building["position"] != position:
                position, until = building["position"], clock.monotonic() + ALONE
            elif clock.monotonic() >= until:
                if why := _alone(platform, told):
                    raise Conflict(f"The rebuild of {name} waits. {why} It begins then by itself.")
                until = clock.monotonic() + ALONE
            progress.update(task, completed=building["progress"])
            platform.clock.sleep(0.2)


def _alone(platform: Platform, told: dict[str, Any]) -> str | None:
    """Why no worker makes it go on; None where one does."""
    if platform.projections.owner() is None:
        return (
            "No worker follows the event store: start one (`celery -A workers worker -Q system`)."
        )
    if told.get("declared") is False:
        return f"No live worker has the code of {told['name']}: see its PENSTOCK_HANDLERS."
    return None


@projections.command(epilog="\b\nExample:\n  python -m app projections pause sales")
@click.argument("name")
@WHY
def pause(name: str, reason: str) -> None:
    """Let a projection or reactor read no further."""
    with opened() as platform:
        platform.projections.pause(name, ACTOR, reason)
    click.echo(f"{name} is paused; `python -m app projections resume {name}` undoes it.")


@projections.command(epilog="\b\nExample:\n  python -m app projections resume sales")
@click.argument("name")
@WHY
def resume(name: str, reason: str) -> None:
    """Let it go on; one that an event stopped tries that event again."""
    with opened() as platform:
        platform.projections.resume(name, ACTOR, reason)
    click.echo(f"{name} goes on.")


@projections.command(
    epilog="\b\nExamples:\n  python -m app projections skip sales\n  python -m app projections skip sales --newer"
)
@click.argument("name")
@WHY
@click.option("--newer", is_flag=True, help="All of the type that only newer code reads.")
@click.option("--yes", is_flag=True, help="Don't ask (with --newer).")
def skip(name: str, reason: str, newer: bool, yes: bool) -> None:
    """Leave out the event that stopped it, and go on behind it."""
    with opened() as platform:
        if newer:
            _skip_newer(platform, name, reason, yes)
            return
        platform.projections.skip(name, ACTOR, reason)
    click.echo(f"{name} goes on behind the event that stopped it.")


def _skip_newer(platform: Platform, name: str, reason: str, yes: bool) -> None:
    """Up to the position to which they were counted."""
    found = platform.projections.newer(name)
    if found and not yes:
        click.confirm(
            f"{found['events']:,} events of {found['type']}, of versions above {found['above']}, up to the position "
            f"{found['until']}, will be left out, until code that reads them builds {name} anew. Go on?",
            abort=True,
        )
    until = found["until"] if found else None
    number = platform.projections.skip_newer(name, ACTOR, reason, until)
    click.echo(f"{name} goes on, and leaves out {number:,} events of newer code.")


@projections.command(epilog="\b\nExample:\n  python -m app projections cancel sales")
@click.argument("name")
@WHY
def cancel(name: str, reason: str) -> None:
    """Leave the build beside NAME, with its tables; the live one stays as it is."""
    with opened() as platform:
        platform.projections.cancel(name, ACTOR, reason)
    click.echo(f"The build beside {name} is cancelled, and its tables are gone.")


@projections.command(epilog="\b\nExample:\n  python -m app projections remove old-sales --yes")
@click.argument("name")
@WHY
@click.confirmation_option(prompt="It is forgotten, and its tables are dropped. Go on?")
def remove(name: str, reason: str) -> None:
    """Forget a projection or reactor whose code is there no more."""
    with opened() as platform:
        dropped = platform.projections.remove(name, ACTOR, reason)
    click.echo(f"{name} is removed{', and ' + ', '.join(dropped) if dropped else ''}.")


@projections.command(epilog="\b\nExample:\n  python -m app projections reset sales --yes")
@click.argument("name")
@WHY
@click.confirmation_option(prompt="Its tables are emptied and filled again. Go on?")
def reset(name: str, reason: str) -> None:
    """Empty a projection's tables and begin at the first event."""
    with opened() as platform:
        platform.projections.reset(name, ACTOR, reason)
        waits = _alone(platform, platform.projections.get(name))
    click.echo(
        f"{name} is empty. {waits} It fills then by itself." if waits else f"{name} begins anew."
    )


@projections.command(epilog="\b\nExample:\n  python -m app projections wait sales 42 --timeout 5")
@click.argument("name")
@click.argument("position")
@click.option("--timeout", type=SPAN, default="10s", help="For how long at most: 30s, 5m.")
@json_option
def wait(name: str, position: str, timeout: float, as_json: bool) -> int:
    """Wait until NAME (or `runs`, `events`) has come to the POSITION that a write answered."""
    with opened() as platform:
        told = platform.projections.wait_for(name, position, timeout)
    if as_json:
        show_json(told)
    else:
        click.echo(sentence(told))
    return 0 if told["reached"] else 1


@projections.command(
    "as-of", epilog="\b\nExample:\n  python -m app projections as-of sales --at 2h > rows.jsonl"
)
@click.argument("name")
@click.option("--position", type=click.IntRange(min=0), help="After this position.")
@click.option("--at", type=MOMENT, help="As it was then: a time, or 15m, 2h, 7d ago.")
def as_of(name: str, position: int | None, at: str | None) -> None:
    """Print NAME's rows as they were, a line of JSON each; the live tables stay as they are."""
    if (position is None) == (at is None):
        raise click.UsageError("Give --position or --at.")
    with opened_with_handlers() as platform:
        for table, row in platform.projections.rows_as_of(name, position, seconds(at)):
            click.echo(msgspec.json.encode({"table": table, **row}))
