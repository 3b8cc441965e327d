"""`python -m app alerts`: what is wrong by the rules, who looks after it, and the rules."""

from __future__ import annotations

from typing import Any

import click

from app.alerts.rule import MEASURES, SEVERITIES
from app.alerts.words import value_text
from app.cli.parameters import SPAN, page_options
from app.cli.platform import ACTOR, opened
from app.cli.render import ago, json_option, show_json, show_page, show_table
from app.errors import Refused

TARGET = click.option("--target", default="", help="Of this one only.")
NOTE = click.option("--note", default="", help="Shown to others.")


@click.group(epilog="\b\nExample:\n  python -m app alerts list")
def alerts() -> None:
    """List, acknowledge and mute alerts; list and change their rules."""


@alerts.command("list", epilog="\b\nExample:\n  python -m app alerts list --state raised --json")
@click.option("--state", type=click.Choice(["raised", "resolved"]), help="By default all.")
@page_options
def list_alerts(state: str | None, limit: int, cursor: str | None, as_json: bool) -> None:
    """List alerts, newest first."""
    with opened() as platform:
        page = platform.alerts.find(state, limit, cursor)
    columns: dict[str, Any] = {
        "id": "id", "state": "state", "severity": "severity", "what": "summary",
        "raised": lambda row: ago(row["raised"]),
        "acknowledged": lambda row: (row["acknowledged"] or {}).get("by"),
        "muted until": lambda row: (row["muted"] or {}).get("until"),
    }  # fmt: skip
    show_page(
        page, columns, as_json, "No alert: `python -m app alerts rules` shows what is watched."
    )


@alerts.command(epilog="\b\nExample:\n  python -m app alerts acknowledge 01a2… --note 'on it'")
@click.argument("id")
@NOTE
def acknowledge(id: str, note: str) -> None:
    """Say that somebody looks after an alert."""
    with opened() as platform:
        shown = platform.alerts.acknowledge(id, ACTOR, note)
    click.echo(f"Acknowledged: {shown['summary']}.")


@alerts.command(
    epilog="\b\nExample:\n  python -m app alerts mute late --for 2h --note 'big import'"
)
@click.argument("rule")
@click.option("--for", "span", type=SPAN, required=True, help="How long: 15m, 2h, 7d.")
@TARGET
@NOTE
def mute(rule: str, span: float, target: str, note: str) -> None:
    """Tell nobody of a rule's alerts for a time."""
    with opened() as platform:
        until = platform.clock.now() + span
        shown = platform.alerts.mute(rule, ACTOR, until, target, note)
    click.echo(f"{rule} tells nobody until {shown['until']}.")


@alerts.command(epilog="\b\nExample:\n  python -m app alerts unmute late")
@click.argument("rule")
@TARGET
def unmute(rule: str, target: str) -> None:
    """Tell again."""
    with opened() as platform:
        platform.alerts.unmute(rule, ACTOR, target)
    click.echo(f"{rule} tells again.")


@alerts.command(epilog="\b\nExample:\n  python -m app alerts rules --json")
@json_option
def rules(as_json: bool) -> None:
    """List the rules in force; a broken one says why."""
    with opened() as platform:
        found = platform.alerts.rules()
    if as_json:
        show_json({"items": found, "next": None})
        return
    columns: dict[str, Any] = {
        "rule": "name",
        "measure": "measure",
        "of": lambda row: row["target"] or "each",
        "raises over": lambda row: value_text(row["measure"], row["above"]),
        "for": lambda row: f"{row['lasting']:g} s",
        "resolves at": lambda row: value_text(row["measure"], row["clear"]),
        "severity": "severity",
        "state": lambda row: row["problem"] or ("in force" if row["enabled"] else "off"),
        "set by": lambda row: row["changed_by"] or "default",
    }
    show_table(found, columns, "There is no rule.")


@alerts.command(
    "set",
    epilog="\b\nExample:\n  python -m app alerts set orders-silent --measure silent-topics"
    " --target order --above 600",
)
@click.argument("rule")
@click.option("--measure", type=click.Choice([*MEASURES]), help="What it looks at.")
@click.option("--target", help="A name or a pattern with *; '' for each.")
@click.option("--above", type=float, help="Raise over this value.")
@click.option("--clear", type=float, help="Resolve at or under this value.")
@click.option("--lasting", type=SPAN, help="For so long before it raises.")
@click.option("--clear-lasting", type=SPAN, help="For so long before it resolves.")
@click.option("--severity", type=click.Choice(SEVERITIES))
@click.option("--on/--off", "enabled", default=None, help="In force, or not.")
def set_rule(rule: str, **given: Any) -> None:
    """Change a rule, or make a new one (which needs --measure and --above)."""
    changes = {name: value for name, value in given.items() if value is not None}
    if not changes:
        raise Refused("Say what to change, such as --above 120; --help lists it all.")
    with opened() as platform:
        platform.alerts.set_rule(rule, changes, ACTOR)
    click.echo(f"{rule} is in force." if given["enabled"] is not False else f"{rule} is off.")


@alerts.command(epilog="\b\nExample:\n  python -m app alerts remove orders-silent")
@click.argument("rule")
def remove(rule: str) -> None:
    """Take a rule away; a default one is as it was."""
    with opened() as platform:
        platform.alerts.remove_rule(rule, ACTOR)
    click.echo(f"{rule} is removed.")
