"""`python -m app dead-letters …`: what was parked, why, and sending it again."""

from __future__ import annotations

import json
from typing import Any

import click

from app.cli.following import follow_replay
from app.cli.parameters import Json, Span, between_options, page_options
from app.cli.platform import ACTOR, opened
from app.cli.preview import show_preview
from app.cli.render import ago, json_option, show_json, show_page, show_table
from app.cli.selection import selection, selection_options
from app.errors import NotFound

EMPTY = "Nothing is parked."
LIVES = ("open", "acknowledged", "ignored", "resolved")


@click.group(
    epilog="""\b
Examples:
  python -m app dead-letters groups
  python -m app dead-letters list --of shop.handlers.charge --since 2h
  python -m app dead-letters replay --group 1f0c2d3e4a5b6978 --canary 10 --wait
"""
)
def dead_letters() -> None:
    """List, replay and discard what was parked."""


@dead_letters.command(
    "list", epilog="\b\nExample:\n  python -m app dead-letters list --since 1d --json"
)
@click.option("--of", "subscription", metavar="SUBSCRIPTION", help="Only of this subscription.")
@click.option("--type", help="Only events of this type.")
@click.option("--group", help="Only of this group.")
@click.option("--search", "q", help="Only those that contain this text.")
@between_options
@page_options
def list_(as_json: bool, **filters: Any) -> None:
    """What is parked, newest first."""
    with opened() as platform:
        page = platform.dead_letters.find(**filters)
    columns: Any = {
        "id": "id",
        "parked": lambda row: ago(row["parked"]),
        "subscription": "subscription",
        "type": lambda row: row["event"]["type"],
        "attempts": lambda row: len(row["attempts"]),
        "reason": "reason",
        "error": _error,
    }
    show_page(page, columns, as_json, EMPTY)


@dead_letters.command(epilog="\b\nExample:\n  python -m app dead-letters groups")
@click.option("--life", type=click.Choice(LIVES), help="Only groups in this state.")
@json_option
def groups(life: str | None, as_json: bool) -> None:
    """What is parked, by what went wrong."""
    with opened() as platform:
        found = platform.failures.groups(life=life)
    if as_json:
        show_json({"items": found, "next": None})
        return
    columns: Any = {
        "group": "id",
        "count": "count",
        "state": "state",
        "last": lambda row: ago(row["last"]),
        "subscription": "subscription",
        "what": "title",
        "where": "frame",
    }
    show_table(found, columns, EMPTY)


@dead_letters.command(
    epilog='\b\nExample:\n  python -m app dead-letters acknowledge GROUP --note "at it: Ann"'
)
@click.argument("group")
@click.option("--note", default="", help="For others, and for the audit.")
@json_option
def acknowledge(group: str, note: str, as_json: bool) -> None:
    """Say that somebody is at a group."""
    with opened() as platform:
        found = platform.failures.acknowledge(group, ACTOR, note)
    _tell(found, as_json)


@dead_letters.command(
    epilog="""\b
Examples:
  python -m app dead-letters ignore GROUP --for 8h
  python -m app dead-letters ignore GROUP --above 10 --note "known, harmless"
"""
)
@click.argument("group")
@click.option("--for", "span", type=Span(), help="For so long: 30m, 8h, 7d.")
@click.option("--above", type=click.IntRange(1), help="Until it happens more often a minute.")
@click.option("--note", default="", help="For others, and for the audit.")
@json_option
def ignore(group: str, span: float | None, above: int | None, note: str, as_json: bool) -> None:
    """Have a group ask nobody for a time, or until it happens too often."""
    with opened() as platform:
        until = None if span is None else platform.clock.now() + span
        found = platform.failures.ignore(group, ACTOR, note, until, above)
    _tell(found, as_json)


@dead_letters.command(epilog="\b\nExample:\n  python -m app dead-letters reopen GROUP")
@click.argument("group")
@click.option("--note", default="", help="For others, and for the audit.")
@json_option
def reopen(group: str, note: str, as_json: bool) -> None:
    """Have a group ask for a person again."""
    with opened() as platform:
        found = platform.failures.reopen(group, ACTOR, note)
    _tell(found, as_json)


def _tell(group: dict[str, Any], as_json: bool) -> None:
    if as_json:
        show_json(group)
    else:
        click.echo(f"The group {group['id']} ({group['title']}) is {group['state']}.")


@dead_letters.command(epilog="\b\nExample:\n  python -m app dead-letters show ID")
@click.argument("id")
@json_option
def show(id: str, as_json: bool) -> None:
    """One dead letter: the event and every attempt's error."""
    with opened() as platform:
        found = platform.dead_letters.get(id)
    if found is None:
        raise NotFound(f"There is no dead letter {id!r}: `python -m app dead-letters list`")
    if as_json:
        show_json(found)
        return
    click.echo(f"{found['subscription']} parked it {ago(found['parked'])} ({found['reason']})\n")
    click.echo(json.dumps(found["event"], indent=2, ensure_ascii=False))
    for number, attempt in enumerate(found["attempts"], 1):
        click.echo(f"\nAttempt {number}: {attempt['error']}")
        click.echo(attempt.get("traceback") or "")
    click.echo(f"Send it again: python -m app dead-letters replay {id}")


@dead_letters.command(
    epilog="""\b
Examples:
  python -m app dead-letters replay ID ID
  python -m app dead-letters replay --of shop.handlers.charge --dry-run
  python -m app dead-letters replay --group GROUP --canary 10 --rate 20 --stop-above 0.2 --wait
"""
)
@selection_options
@click.option("--to", "subscription", help="To this subscription instead.")
@click.option("--canary", type=click.IntRange(1), help="First so many, and on only if they pass.")
@click.option("--rate", type=click.FloatRange(0, min_open=True), help="Events a second.")
@click.option("--stop-above", type=click.FloatRange(0, 1), help="Stop above this failure share.")
@click.option("--reason", default="", help="For the audit.")
@click.option("--prepared-edits", is_flag=True, help="With the edits prepared in the console.")
@click.option("--patch", type=Json(), help="A JSON Patch for all of them.")
@click.option("--dry-run", is_flag=True, help="Only say what would be sent.")
@click.option("--wait", is_flag=True, help="Follow it to its end; status 1 unless it succeeds.")
@json_option
def replay(dry_run: bool, wait: bool, as_json: bool, patch: Any, **given: Any) -> int:
    """Send parked events again."""
    names = ("subscription", "canary", "rate", "stop_above", "reason", "prepared_edits")
    options = {name: value for name in names if (value := given.pop(name)) is not None}
    if patch is not None:
        options["edits"] = {"*": patch}
    chosen = selection(**given)
    with opened() as platform:
        if dry_run:
            preview = platform.replays.preview(chosen, options)
            if as_json:
                show_json(preview)
                return 0
            show_preview(preview)
            return 0
        id = platform.replays.start(chosen, options, ACTOR)
        if wait:
            return follow_replay(platform, id, as_json)
    if as_json:
        show_json({"id": id})
    else:
        click.echo(f"Started replay {id}. How far it is: python -m app replays show {id}")
    return 0


@dead_letters.command(
    epilog='\b\nExample:\n  python -m app dead-letters discard --group GROUP --reason "test data"'
)
@selection_options
@click.option("--reason", default="", help="For the audit.")
@click.option("--yes", is_flag=True, help="Don't ask.")
@json_option
def discard(reason: str, yes: bool, as_json: bool, **given: Any) -> None:
    """Give parked events up; they stay in the archive."""
    chosen = selection(**given)
    with opened() as platform:
        if not yes:
            total = platform.replays.preview(chosen, {})["total"]
            click.confirm(f"{total:,} dead letters will not be handled. Go on?", abort=True)
        count = platform.replays.discard(chosen, ACTOR, reason)
    if as_json:
        show_json({"discarded": count})
    else:
        click.echo(f"Discarded {count:,}.")


def _error(row: Any) -> str:
    error = row["attempts"][-1]["error"] if row["attempts"] else ""
    return error if len(error) <= 80 else error[:80] + " …"
