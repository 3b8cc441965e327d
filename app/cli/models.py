"""`python -m app models …`: versions, promotion, rollback and predictions."""

from __future__ import annotations

import json
import sys
from typing import Any

import click

from app.cli.parameters import JSON, page_options
from app.cli.platform import ACTOR, opened
from app.cli.render import ago, json_option, show_json, show_page, show_table

reason_option = click.option("--reason", default="", help="Why; it is kept in the audit.")


@click.group(
    epilog="""\b
Examples:
  python -m app models show digits
  python -m app models promote digits 2 --reason "fewer false alarms"
  python -m app models predict flowers '{"petal": 1.4, "sepal": 5.1}'
"""
)
def models() -> None:
    """List, promote and roll back models; predict."""


@models.command("list", epilog="\b\nExample:\n  python -m app models list --json")
@page_options
def list_(as_json: bool, **paging: Any) -> None:
    """Models, the last changed first."""
    with opened() as platform:
        page = platform.models.find(**paging)
    columns: Any = {
        "model": "name",
        "task": "task",
        "champion": "champion",
        "newest": lambda row: row["versions"][0]["version"],
        "metrics": lambda row: _metrics((_champion(row) or row["versions"][0])["metrics"]),
        "changed": lambda row: ago(row["updated"]),
    }
    empty = "There is no model yet: upload a dataset with `python -m app datasets upload`."
    show_page(page, columns, as_json, empty)


@models.command(epilog="\b\nExample:\n  python -m app models show digits")
@click.argument("name")
@json_option
def show(name: str, as_json: bool) -> None:
    """One model: its versions with metrics, and why each was or wasn't promoted."""
    with opened() as platform:
        found = platform.models.get(name)
    if as_json:
        show_json(found)
        return
    columns: Any = {
        "version": "version",
        "state": "state",
        "metrics": lambda row: _metrics(row["metrics"]),
        "baseline": lambda row: _metrics(row["baseline"]),
        "dataset": lambda row: f"version {row['lineage']['dataset_version']}",
        "registered": lambda row: ago(row["registered"]),
        "why": "reason",
    }
    show_table(found["versions"], columns, "It has no version.")


@models.command(epilog='\b\nExample:\n  python -m app models promote digits 2 --reason "…"')
@click.argument("name")
@click.argument("version", type=int)
@reason_option
@json_option
def promote(name: str, version: int, reason: str, as_json: bool) -> None:
    """Make a version the champion, after it was loaded and scored in a clean process."""
    with opened() as platform:
        done = platform.models.promote(name, version, ACTOR, reason)
    _say(done, as_json)


@models.command(
    epilog='\b\nExample:\n  python -m app models approve digits 2 --reason "newer rows"'
)
@click.argument("name")
@click.argument("version", type=int)
@click.option("--reason", required=True, help="Why; it is kept in the audit.")
@json_option
def approve(name: str, version: int, reason: str, as_json: bool) -> None:
    """Say yes to a version that waits for a person: its run goes on to the deployment."""
    with opened() as platform:
        done = platform.models.approve(name, version, ACTOR, reason)
    _say_state(done, as_json)


@models.command(
    epilog='\b\nExample:\n  python -m app models reject digits 2 --reason "too few rows"'
)
@click.argument("name")
@click.argument("version", type=int)
@click.option("--reason", required=True, help="Why; it is kept in the audit.")
@json_option
def reject(name: str, version: int, reason: str, as_json: bool) -> None:
    """Say no to a version that waits for a person: the champion stays."""
    with opened() as platform:
        done = platform.models.reject(name, version, ACTOR, reason)
    _say_state(done, as_json)


@models.command(epilog='\b\nExample:\n  python -m app models rollback digits --reason "…"')
@click.argument("name")
@reason_option
@json_option
def rollback(name: str, reason: str, as_json: bool) -> None:
    """Go back to the champion before this one."""
    with opened() as platform:
        done = platform.models.rollback(name, ACTOR, reason)
    _say(done, as_json)


@models.command(
    epilog="""\b
Examples:
  python -m app models predict flowers '{"petal": 1.4, "sepal": 5.1}'
  python -m app models predict flowers < rows.json
where rows.json holds an object, a list of them, or {"rows": [...]}
"""
)
@click.argument("name")
@click.argument("rows", required=False, type=JSON)
@json_option
def predict(name: str, rows: Any, as_json: bool) -> None:
    """Predict ROWS, a JSON object or a list of them, with the champion."""
    if rows is None:
        rows = _from_input()
    if isinstance(rows, dict):
        rows = rows["rows"] if isinstance(rows.get("rows"), list) else [rows]
    with opened() as platform:
        answer = platform.models.predict(name, rows)
    if as_json:
        show_json(answer)
        return
    for prediction in answer["predictions"]:
        share = prediction.get("probabilities", {}).get(prediction["value"])
        click.echo(f"{prediction['value']}" + ("" if share is None else f"  {share:.1%}"))


def _from_input() -> Any:
    if sys.stdin.isatty():
        raise click.UsageError("Give rows as JSON, or pipe them in.")
    try:
        return json.load(sys.stdin)
    except ValueError as error:
        raise click.UsageError(f"Standard input is no JSON: {error}.") from error


def _say(done: dict[str, Any], as_json: bool) -> None:
    if as_json:
        show_json(done)
        return
    before = f"version {done['previous']}" if done["previous"] else "nobody"
    click.echo(f"Version {done['version']} of {done['model']} took over from {before}.")


def _say_state(done: dict[str, Any], as_json: bool) -> None:
    if as_json:
        show_json(done)
    else:
        click.echo(f"Version {done['version']} of {done['model']} is {done['state']}.")


def _champion(row: Any) -> Any:
    return next((one for one in row["versions"] if one["version"] == row["champion"]), None)


def _metrics(metrics: dict[str, float]) -> str:
    return "  ".join(f"{name} {value:.4g}" for name, value in metrics.items())
