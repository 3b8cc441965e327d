"""`python -m app datasets …`: upload a table, and see what became of each upload."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click

from app.cli.following import DONE, follow_run
from app.cli.parameters import page_options
from app.cli.platform import ACTOR, opened
from app.cli.render import ago, json_option, show_fields, show_json, show_page, show_table

LONGEST_RUN = 4 * 3600.0
FILE = click.Path(exists=True, dir_okay=False, readable=True, path_type=Path)


@click.group(
    epilog="""\b
Examples:
  python -m app datasets upload houses.csv --name houses --target price --wait
  python -m app datasets show houses
"""
)
def datasets() -> None:
    """Upload tables, and see what became of them."""


@datasets.command(
    epilog="""\b
Examples:
  python -m app datasets upload adult.csv --name adult --target 14 --evaluation adult-test.csv
  python -m app datasets upload houses.csv --name houses --target price --wait
"""
)
@click.argument("file", type=FILE)
@click.option("--name", required=True, help="The dataset's name, and its model's.")
@click.option("--target", required=True, help="Column to predict: its name, or position from 0.")
@click.option("--evaluation", type=FILE, help="A second file to test on; else rows are held out.")
@click.option("--task", type=click.Choice(["classification", "regression"]), help="Else detected.")
@click.option("--header/--no-header", default=None, help="Whether line one names the columns.")
@click.option("--wait", is_flag=True, help="Follow the run to its end; exit status 1 if it fails.")
@json_option
def upload(
    file: Path,
    name: str,
    target: str,
    evaluation: Path | None,
    task: str | None,
    header: bool | None,
    wait: bool,
    as_json: bool,
) -> int:
    """Upload FILE, a CSV, to train a model that predicts its target."""
    with opened() as platform, ExitStack() as stack:
        answer = platform.datasets.upload(
            stack.enter_context(file.open("rb")),
            name,
            target,
            filename=file.name,
            evaluation=stack.enter_context(evaluation.open("rb")) if evaluation else None,
            evaluation_filename=evaluation.name if evaluation else "",
            task=task,
            header=header,
            actor=ACTOR,
        )
        if wait:
            return _wait(platform, answer, as_json)
    if as_json:
        show_json(answer)
    else:
        run = answer["correlationid"]
        click.echo(f"Uploaded {file.name} as {name}. Its run: python -m app runs show {run}")
    return 0


def _wait(platform: Any, answer: dict[str, str], as_json: bool) -> int:
    """Say each event of the run as it comes; 0 where a model was deployed."""
    told: set[str] = set()
    for run in follow_run(platform, answer["correlationid"], LONGEST_RUN):
        for step in run["steps"] if run else ():
            if step["event"] not in told:
                told.add(step["event"])
                click.echo(f"  {step['type']}", err=True)
            failure = f"{step['event']} {step['error']}"
            if step["error"] and failure not in told:
                told.add(failure)
                click.echo(f"  {step['subscription']}: {step['error']}", err=True)
    run = platform.runs.get(answer["correlationid"])
    state, outcome = (run["state"], run["outcome"]) if run else ("not seen yet", None)
    if as_json:
        show_json({**answer, "state": state, "outcome": outcome})
    else:
        click.echo(f"{answer['dataset']}: {state}, {outcome or 'nothing happened yet'}")
        _say_why(platform, answer, outcome)
    return 0 if state in DONE and outcome == "deployment.finished" else 1


def _say_why(platform: Any, answer: dict[str, str], outcome: str | None) -> None:
    if outcome == "dataset.rejected":
        versions = platform.datasets.get(answer["dataset"])["versions"]
        mine = [one for one in versions if one["correlationid"] == answer["correlationid"]]
        for reason in mine[0]["reasons"] if mine else ():
            click.echo(f"  {reason}")
    elif outcome and outcome.startswith(("model.", "deployment.")):
        versions = platform.models.get(answer["dataset"])["versions"]
        mine = [one for one in versions if one["correlationid"] == answer["correlationid"]]
        if mine:
            click.echo(f"  Version {mine[0]['version']}: {mine[0]['reason']}")


@datasets.command("list", epilog="\b\nExample:\n  python -m app datasets list --json")
@page_options
def list_(as_json: bool, **paging: Any) -> None:
    """Datasets, the last changed first."""
    with opened() as platform:
        page = platform.datasets.find(**paging)
    columns: Any = {
        "dataset": "name",
        "target": "target",
        "state": "state",
        "version": lambda row: row["versions"][0]["version"],
        "rows": lambda row: row["versions"][0]["rows"],
        "file": lambda row: row["versions"][0]["filename"],
        "changed": lambda row: ago(row["updated"]),
    }
    empty = "There is no dataset yet: python -m app datasets upload FILE --name NAME --target COL"
    show_page(page, columns, as_json, empty)


@datasets.command(epilog="\b\nExample:\n  python -m app datasets show digits --version 1")
@click.argument("name")
@click.option("--version", type=int, help="Which upload's report; the newest otherwise.")
@json_option
def show(name: str, version: int | None, as_json: bool) -> None:
    """One dataset: its uploads, and the report on one of them."""
    with opened() as platform:
        found = platform.datasets.get(name)
    if as_json:
        show_json(found)
        return
    columns: Any = {
        "version": "version",
        "state": "state",
        "rows": "rows",
        "file": "filename",
        "by": "by",
        "uploaded": lambda row: ago(row["uploaded"]),
        "run": "correlationid",
    }
    show_table(found["versions"], columns, "It has no version.")
    wanted = [one for one in found["versions"] if version in (None, one["version"])]
    if not wanted:
        raise click.UsageError(f"{name} has no version {version}.")
    _show_report(wanted[0])


def _show_report(version: dict[str, Any]) -> None:
    report = version["report"]
    click.echo(f"\nVersion {version['version']}: {version['state']}")
    for sentence in version["reasons"]:
        click.echo(f"  {sentence}")
    if not report:
        return
    for sentence in [
        *(f"Warning: {text}" for text in report.get("warnings", [])),
        *report["notes"],
    ]:
        click.echo(f"  {sentence}")
    if report.get("compared_with"):
        click.echo(f"  {report['changes_in_all']} changes since version {report['compared_with']}")
        for change in report["changes"]:
            click.echo(f"    {change['column']}: {change['text']}")
    fields = ("rows", "columns", "target", "task", "classes", "encoding", "delimiter", "header")
    show_fields(report, {field: field for field in fields if report.get(field) not in (None, {})})
    click.echo()
    columns: Any = {
        "column": "name",
        "type": "type",
        "missing": "missing",
        "distinct": "distinct",
        "min": "min",
        "max": "max",
        "mean": "mean",
        "note": lambda row: row.get("note") or ("the target" if row.get("target") else ""),
    }
    show_table(report["profile"], columns, "No column could be read.")
