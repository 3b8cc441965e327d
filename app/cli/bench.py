"""`python -m app bench …`: what this machine does, always beside a reference of the same run."""

from __future__ import annotations

import importlib
import signal
import sys
from pathlib import Path
from typing import Any

import click

from app.cli.render import json_option, show_json

TABLE = click.Path(exists=True, dir_okay=False, readable=True, path_type=Path)
FSYNC = click.option(
    "--fsync",
    type=click.Choice(["always", "everysec", "no", "off"]),
    default="everysec",
    show_default=True,
    help="The server's append-only file; off: none.",
)
ROUNDS = click.option(
    "--rounds", default=5, show_default=True, help="Rounds to take the median of."
)


@click.group(epilog="\b\nExample:\n  python -m app bench delivery --kind batch --json")
def bench() -> None:
    """Measure this machine."""
    # Told to end, it ends what it started: workers and a server would live on otherwise.
    before = signal.signal(signal.SIGTERM, _end)

    def restore() -> None:
        if signal.getsignal(signal.SIGTERM) is _end:
            signal.signal(signal.SIGTERM, before)

    click.get_current_context().call_on_close(restore)


def _end(*_: Any) -> None:
    """Once: `timeout` tells a process and its group, and the second word must not cut the ending off."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit(128 + signal.SIGTERM)


@bench.command(epilog="\b\nExample:\n  python -m app bench delivery --kind single --events 200000")
@click.option("--kind", type=click.Choice(["single", "batch"]), default="single", show_default=True)
@click.option("--events", default=200_000, show_default=True)
@click.option("--archive/--no-archive", default=True, show_default=True, help="Archive meanwhile.")
@ROUNDS
@FSYNC
@json_option
def delivery(kind: str, events: int, archive: bool, rounds: int, fsync: str, as_json: bool) -> None:
    """Handle and settle a backlog, against a bare XREADGROUP loop."""
    _show(_benchmark("delivery").run(kind, events, rounds, _policy(fsync), _tell, archive), as_json)


@bench.command(epilog="\b\nExample:\n  python -m app bench archive --tracking run --events 50000")
@click.option(
    "--tracking",
    type=click.Choice(["packed", "run"]),
    default="packed",
    show_default=True,
    help="What SQL keeps of each delivery: counts, or a row.",
)
@click.option("--events", default=100_000, show_default=True)
@click.option(
    "--database",
    type=click.Choice(["sqlite", "postgresql"]),
    default="sqlite",
    show_default=True,
    help="A PostgreSQL is started for it.",
)
@ROUNDS
@FSYNC
@json_option
def archive(
    tracking: str, events: int, database: str, rounds: int, fsync: str, as_json: bool
) -> None:
    """How long archive and projections take to catch up, against bare SQLite."""
    result = _benchmark("archive").run(tracking, events, rounds, _policy(fsync), _tell, database)
    _show(result, as_json)


@bench.command(epilog="\b\nExample:\n  python -m app bench publish --json")
@ROUNDS
@FSYNC
@json_option
def publish(rounds: int, fsync: str, as_json: bool) -> None:
    """Publish, against bare XADD."""
    _show(_benchmark("publish").run(rounds, _policy(fsync), _tell), as_json)


@bench.command(epilog="\b\nExample:\n  python -m app bench latency --rate 200 --rate 1000")
@click.option(
    "--rate", "rates", type=int, multiple=True, default=(200, 1000, 5000), show_default=True
)
@click.option("--seconds", default=5.0, show_default=True)
@ROUNDS
@FSYNC
@json_option
def latency(rates: tuple[int, ...], seconds: float, rounds: int, fsync: str, as_json: bool) -> None:
    """From publish to handled, against a bare blocking loop."""
    _show(_benchmark("latency").run(list(rates), seconds, rounds, _policy(fsync), _tell), as_json)


@bench.command(
    epilog="\b\nExample:\n  python -m app bench scale --backlog 1000000 --subscriptions 200"
)
@click.option("--backlog", default=1_000_000, show_default=True)
@click.option("--subscriptions", default=200, show_default=True)
@click.option(
    "--part",
    "parts",
    type=click.Choice(["backlog", "subscriptions", "memory"]),
    multiple=True,
    default=("backlog", "subscriptions", "memory"),
    show_default=True,
)
@ROUNDS
@FSYNC
@json_option
def scale(
    backlog: int, subscriptions: int, parts: tuple[str, ...], rounds: int, fsync: str, as_json: bool
) -> None:
    """What doesn't grow with the backlog and the number of subscriptions."""
    policy = _policy(fsync)
    result = _benchmark("scale").run(backlog, subscriptions, rounds, policy, _tell, parts)
    _show(result, as_json)


@bench.command(epilog="\b\nExample:\n  python -m app bench eventstore --database sqlite --json")
@click.option(
    "--database",
    "databases",
    type=click.Choice(["sqlite", "postgresql"]),
    multiple=True,
    default=("sqlite", "postgresql"),
    show_default=True,
)
@click.option("--seconds", default=2.0, show_default=True, help="For each figure of a round.")
@ROUNDS
@json_option
def eventstore(databases: tuple[str, ...], seconds: float, rounds: int, as_json: bool) -> None:
    """Append, rehydrate and project, against the package eventsourcing."""
    _show(_benchmark("eventstore").run(list(databases), seconds, rounds, _tell), as_json)


@bench.command(
    epilog="""\b
Examples:
  python -m app bench console --database sqlite --asks 20 --json
  python -m app bench console --keep /tmp/full --part fill
  python -m app bench console --keep /tmp/full --part pages
"""
)
@click.option(
    "--database",
    "databases",
    type=click.Choice(["sqlite", "postgresql"]),
    multiple=True,
    default=("sqlite", "postgresql"),
    show_default=True,
)
@click.option(
    "--database-url", "url", help="An empty PostgreSQL to fill, in place of one of its own."
)
@click.option(
    "--part",
    "parts",
    type=click.Choice(["fill", "pages", "consoles"]),
    multiple=True,
    default=("fill", "pages", "consoles"),
    show_default=True,
    help="Only this, with --keep.",
)
@click.option(
    "--keep",
    type=click.Path(file_okay=False, path_type=Path, resolve_path=True),
    help="A folder in which the filled databases stay for the next run.",
)
@click.option("--events", default=1_000_000, show_default=True, help="Archived events.")
@click.option("--dead-letters", "letters", default=100_000, show_default=True)
@click.option("--runs", default=10_000, show_default=True)
@click.option("--asks", default=40, show_default=True, help="Times to ask each page; 0: none.")
@click.option("--consoles", default=50, show_default=True, help="Open at once; 0: none.")
@click.option("--seconds", default=15.0, show_default=True, help="To measure the API beside them.")
@json_option
def console(
    databases: tuple[str, ...],
    url: str | None,
    parts: tuple[str, ...],
    keep: Path | None,
    events: int,
    letters: int,
    runs: int,
    asks: int,
    consoles: int,
    seconds: float,
    as_json: bool,
) -> None:
    """Every page over a full database, and the API beside open consoles."""
    sizes = _benchmark("console_story").Sizes(events, letters, runs)
    chosen = ["postgresql"] if url else list(databases)
    result = _benchmark("console").run(
        chosen, sizes, asks, consoles, seconds, _tell, parts, keep, url
    )
    if not as_json:
        for figures in result.values():
            if isinstance(figures, dict):
                figures.pop("each", None)
    _show(result, as_json)


@bench.command(epilog="\b\nExample:\n  python -m app bench control --rounds 3")
@ROUNDS
@FSYNC
@json_option
def control(rounds: int, fsync: str, as_json: bool) -> None:
    """How soon busy workers follow an operator: pause, limits, filter, lane, rewind, and the others."""
    _show(_benchmark("control").run(rounds, _policy(fsync), _tell), as_json)


@bench.command(epilog="\b\nExample:\n  python -m app bench soak --kills 200 --events 200000")
@click.option("--kills", default=100, show_default=True)
@click.option("--events", default=100_000, show_default=True)
@click.option("--pool", type=click.Choice(["prefork", "threads"]), default="prefork")
@click.option("--seed", default=1, show_default=True, help="Who is killed when.")
@FSYNC
@json_option
def soak(kills: int, events: int, pool: str, seed: int, fsync: str, as_json: bool) -> int:
    """Kill processes under load, and count what was lost or doubled: nothing."""
    with click.progressbar(length=kills, label="Kills", file=sys.stderr) as bar:
        result = _benchmark("soak").run(kills, events, pool, _policy(fsync), seed, bar.update)
    _show(result, as_json)
    faults = ("lost", "doubled", "rows lost", "rows doubled", "parked")
    return 1 if any(result[fault] for fault in faults) else 0


@bench.command(
    epilog="""\b
Example:
  python -m app bench mlops --train adult-train.csv --evaluation adult-test.csv --target 14
"""
)
@click.option("--train", type=TABLE, required=True, help="The table to learn from.")
@click.option("--evaluation", type=TABLE, help="A second one to test on; else rows are held out.")
@click.option("--target", required=True, help="Column to predict: its name, or position from 0.")
@click.option("--task", type=click.Choice(["classification", "regression"]), help="Else detected.")
@click.option("--header/--no-header", default=None, help="Whether line one names the columns.")
@FSYNC
@json_option
def mlops(
    train: Path,
    evaluation: Path | None,
    target: str,
    task: str | None,
    header: bool | None,
    fsync: str,
    as_json: bool,
) -> None:
    """From a table's upload to its deployed model: how good, and how long."""
    result = _benchmark("mlops").run(
        train, evaluation, target, _tell, task=task, header=header, fsync=_policy(fsync)
    )
    _show(result, as_json)


@bench.command(epilog="\b\nExample:\n  python -m app bench reading --megabytes 1000")
@click.option("--megabytes", type=click.IntRange(4), default=200, show_default=True)
@click.option(
    "--kind", type=click.Choice(["csv", "gzip", "parquet"]), default="csv", show_default=True
)
@json_option
def reading(megabytes: int, kind: str, as_json: bool) -> None:
    """Read a large made-up table: how long, and how much memory at most."""
    _show(_benchmark("reading").run(megabytes, kind, _tell), as_json)


def _benchmark(name: str) -> Any:
    """Its module, imported only when it is asked for: app.bench sits beside app.cli, not below it."""
    return importlib.import_module(f"app.bench.{name}")


def _policy(fsync: str) -> str | None:
    return None if fsync == "off" else fsync


def _tell(line: str) -> None:
    click.echo(line, err=True)


def _show(result: dict[str, Any], as_json: bool) -> None:
    if as_json:
        show_json(result)
        return
    _rows(result)


def _rows(result: dict[str, Any], indent: str = "") -> None:
    for name, value in result.items():
        if isinstance(value, dict):
            click.echo(f"{indent}{name}")
            _rows(value, indent + "  ")
        elif isinstance(value, list):
            click.echo(f"{indent}{name}: {', '.join(map(_figure, value))}")
        else:
            click.echo(f"{indent}{name}: {_figure(value)}")


def _figure(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
