"""How commands print: tables for people, JSON for programs, ages in words."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

Row = Mapping[str, Any]
Cell = Callable[[Row], Any]

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def console() -> Console:
    # Piped output is for `grep`: one row stays one line.
    return Console(highlight=False, width=None if sys.stdout.isatty() else 240)


def show_json(value: Any) -> None:
    click.echo(json.dumps(value, indent=2, default=_plain, ensure_ascii=False))


def show_table(rows: Iterable[Row], columns: Mapping[str, str | Cell], empty: str) -> None:
    """One line for each row; `columns` maps a heading to a field's name or a function of the row.

    Where there are no rows it says `empty`, which teaches the next step.
    """
    rows = list(rows)
    if not rows:
        click.echo(empty)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in columns:
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*[Text(text(_cell(row, column))) for column in columns.values()])
    console().print(table)


def show_page(page: Any, columns: Mapping[str, str | Cell], as_json: bool, empty: str) -> None:
    """A page of a list; where there is more, how to see it."""
    if as_json:
        show_json({"items": page.items, "next": page.next})
        return
    show_table(page.items, columns, empty)
    if page.next:
        click.echo(f"There are more: --cursor {page.next}", err=True)


def show_fields(row: Row, fields: Mapping[str, str | Cell]) -> None:
    """One thing, a field a line."""
    width = max(map(len, fields))
    for heading, column in fields.items():
        click.echo(f"{heading:<{width}}  {text(_cell(row, column))}")


def text(value: Any) -> str:
    """A value as people read it."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value)) or "-"
    if isinstance(value, Mapping):
        return json.dumps(value, default=_plain, ensure_ascii=False)
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds").replace("+00:00", "Z")
    return str(value)


def duration(seconds: float | None) -> str:
    """Seconds as `0.4 s`, `3 min`, `2 h`, `5 d`; - where unknown."""
    if seconds is None:
        return "-"
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"


def ago(moment: str | float | datetime | None) -> str:
    """How long ago it was."""
    if moment is None:
        return "-"
    if isinstance(moment, str):
        moment = datetime.fromisoformat(moment)
    if isinstance(moment, datetime):
        moment = moment.timestamp()
    return f"{duration(max(0.0, time.time() - moment))} ago"


def _cell(row: Row, column: str | Cell) -> Any:
    return column(row) if callable(column) else row.get(column)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return text(value)
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    return str(value)
