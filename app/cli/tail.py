"""`python -m app tail`: events as they are published, without effect on anyone."""

from __future__ import annotations

import json

import click

from app.cli.platform import opened
from app.cli.render import json_option
from app.events.event import Event

LONGEST = 160  # characters of data on a line for people


@click.command(
    epilog="""\b
Examples:
  python -m app tail --type order.placed
  python -m app tail --from-start --json -n 100 | jq .data
"""
)
@click.option("--type", "types", multiple=True, help="Only this type; may be given many times.")
@click.option("--from-start", is_flag=True, help="Begin with the earliest event kept.")
@click.option("-n", "count", type=click.IntRange(1), help="End after so many events.")
@json_option
def tail(types: tuple[str, ...], from_start: bool, count: int | None, as_json: bool) -> None:
    """Show events as they come, until Ctrl-C; with --json one on each line."""
    shown = 0
    with opened() as platform:
        for event in platform.topics.follow(types or None, since="0" if from_start else "$"):
            if event is None:
                continue
            click.echo(json.dumps(event.to_dict(), ensure_ascii=False) if as_json else _line(event))
            shown += 1
            if shown == count:
                return


def _line(event: Event) -> str:
    body = event.to_dict()
    data = json.dumps(body.get("data"), ensure_ascii=False)
    about = " ".join(
        f"{name}={body[name]}" for name in ("subject", "partitionkey") if body.get(name)
    )
    if len(data) > LONGEST:
        data = data[:LONGEST] + " …"
    moment = event.time.strftime("%H:%M:%S.%f")[:-3]
    return "  ".join(part for part in (moment, f"{event.type:<22}", event.id, about, data) if part)
