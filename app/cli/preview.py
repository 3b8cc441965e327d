"""A replay's preview in words: how many, to whom, what it causes, and what can't be repeated."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click


def show_preview(preview: Mapping[str, Any]) -> None:
    click.echo(f"It would send {preview['total']:,}:")
    for name, count in preview["subscriptions"].items():
        effects = preview["effects"].get(name)
        click.echo(f"  {count:>8,}  to {name} (effects: {effects or 'not declared'})")
    if preview["edited"]:
        click.echo(f"  {preview['edited']:>8,}  of them with edited data")
    downstream = preview["downstream"]
    if downstream["emitted"] or downstream["handled"]:
        click.echo("By recent experience it would cause:")
    for row in downstream["emitted"]:
        click.echo(f"  {row['events']:>8,}  events {row['type']} (step {row['level']})")
    for row in downstream["handled"]:
        told = f"step {row['level']}, effects: {row['effects'] or 'not declared'}"
        click.echo(f"  {row['deliveries']:>8,}  deliveries to {row['subscription']} ({told})")
    if preview["needs_approval"]:
        click.echo("So many wait for a second person's approval.")
