"""A run's page as it was: which moment its address asks for, and the run at it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import g

from app.errors import Refused
from app.store.moments import seconds
from app.store.run_as_of import as_of, moments
from web.api.parameters import parse_time, whole
from web.console.pages import text_filter
from web.problems import BadInput


@dataclass(frozen=True)
class Place:
    """Of the `last` moments when something changed, the one that is shown; None: the page shows now.

    `problem` is what is wrong with the moment that was asked for: the page says so, and shows now.
    """

    number: int | None
    last: int
    at: str | None
    problem: str | None = None


def asked(run: Mapping[str, Any]) -> tuple[dict[str, Any], Place]:
    """The run to show. Of a past one, the page takes that moment for now."""
    found = moments(run)
    try:
        return _at(run, found)
    except (Refused, BadInput) as error:
        return dict(run), Place(None, len(found), None, str(error))


def _at(run: Mapping[str, Any], found: Sequence[str]) -> tuple[dict[str, Any], Place]:
    number, at = whole("moment", text_filter("moment")), text_filter("at")
    if number is None and at is None:
        return dict(run), Place(None, len(found), None)
    if number is not None and not 1 <= number <= len(found):
        raise Refused(f"There are the moments 1 to {len(found)} of this run.")
    moment = parse_time("at", at) if at else datetime.fromisoformat(found[(number or 1) - 1])
    shown = as_of(run, moment.timestamp())
    g.now = moment
    passed = len([each for each in found if (seconds(each) or 0.0) <= moment.timestamp()])
    return shown, Place(number or passed, len(found), shown["as_of"])
