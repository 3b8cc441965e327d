"""Kinds of arguments that several commands take."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import click

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


class Span(click.ParamType):
    """A length of time: `30` or `30s`, `15m`, `2h`, `7d`; in seconds."""

    name = "span"

    def convert(self, value: Any, param: Any, ctx: Any) -> float:
        if isinstance(value, (int, float)):
            return float(value)
        match = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd]?)", value)
        if not match:
            self.fail(f"{value!r} is no length of time: write 30s, 15m, 2h or 7d", param, ctx)
        return float(match[1]) * UNITS[match[2] or "s"]


class Moment(click.ParamType):
    """A time, as RFC 3339 text, or how long ago it was: `2026-01-31T12:00:00Z` or `15m`."""

    name = "time"

    def convert(self, value: Any, param: Any, ctx: Any) -> str:
        if re.fullmatch(r"\d+(?:\.\d+)?[smhd]", value):
            past = time.time() - Span().convert(value, param, ctx)
            return datetime.fromtimestamp(past, UTC).isoformat().replace("+00:00", "Z")
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is no time: write 2026-01-31T12:00:00Z, or 15m, 2h, 7d ago")
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


class Json(click.ParamType):
    """Any JSON value."""

    name = "json"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        if not isinstance(value, str):
            return value
        try:
            return json.loads(value, parse_constant=_refuse)
        except ValueError as error:
            self.fail(f"{value!r} is no JSON ({error}): quote it, as in '{{\"total\": 42}}'")


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not a JSON number")


SPAN, MOMENT, JSON = Span(), Moment(), Json()


def between_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--since` and `--until`."""
    until = click.option("--until", type=MOMENT, help="Before this time, or this long ago.")
    since = click.option("--since", type=MOMENT, help="From this time on, or the last 15m, 2h, 7d.")
    return since(until(command))


def page_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--limit`, `--cursor` and `--json`, which every list takes."""
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print JSON."),
        click.option("--cursor", help="Go on where a list ended (it says how)."),
        click.option(
            "--limit", default=50, show_default=True, type=click.IntRange(1, 1000), help="At most."
        ),
    ):
        command = option(command)
    return command
