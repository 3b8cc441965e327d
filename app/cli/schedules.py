"""`python -m app schedules`: what fires by the calendar, and taking back what is delayed."""

from __future__ import annotations

import click

from app.cli.platform import ACTOR, opened
from app.cli.render import json_option, show_json, show_table
from app.errors import NotFound
from app.events.event import DEFAULT_SOURCE
from app.streams.delayed import cancel as cancel_delayed


@click.group(epilog="\b\nExample:\n  python -m app schedules list")
def schedules() -> None:
    """List, cancel and restore schedules; cancel a delayed event."""


@schedules.command("list", epilog="\b\nExample:\n  python -m app schedules list --json")
@json_option
def list_schedules(as_json: bool) -> None:
    """List what `@every` declares, with the next time of each."""
    with opened() as platform:
        now = platform.clock.now()
        found = [
            {
                "name": schedule.name,
                "cron": schedule.cron,
                "timezone": schedule.timezone,
                "next": None if schedule.cancelled_by else schedule.following(now).isoformat(),
                "cancelled_by": schedule.cancelled_by,
            }
            for schedule in platform.schedules.all()
        ]
    if as_json:
        show_json({"items": found, "next": None})
        return
    columns = {"schedule": "name", "cron": "cron", "timezone": "timezone", "next": "next"}
    show_table(
        found,
        {**columns, "cancelled by": "cancelled_by"},
        'There is no schedule: a handler gets one by @every("0 3 * * *").',
    )


@schedules.command(epilog="\b\nExample:\n  python -m app schedules cancel shop.nightly_report")
@click.argument("name")
def cancel(name: str) -> None:
    """Let a schedule fire no more."""
    with opened() as platform:
        platform.schedules.cancel(name, ACTOR)
    click.echo(f"{name} fires no more; `python -m app schedules restore {name}` undoes it.")


@schedules.command(epilog="\b\nExample:\n  python -m app schedules restore shop.nightly_report")
@click.argument("name")
def restore(name: str) -> None:
    """Let a cancelled schedule fire again, from now on."""
    with opened() as platform:
        platform.schedules.restore(name, ACTOR)
    click.echo(f"{name} fires again.")


@schedules.command(
    "cancel-event",
    epilog="\b\nExample:\n  python -m app schedules cancel-event 01a2… --source /shop",
)
@click.argument("id")
@click.option("--source", default=DEFAULT_SOURCE, show_default=True, help="The event's source.")
def cancel_event(id: str, source: str) -> None:
    """Take back an event that was published with --after and isn't due yet."""
    with opened() as platform:
        if not cancel_delayed(platform.redis, source, id):
            raise NotFound(f"No event {id} of the source {source} is delayed: was it due already?")
    click.echo(f"{id} will not be published.")
