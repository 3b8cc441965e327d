"""Query parameters: declared, parsed, and refused with a sentence when they are wrong.

A parameter that a route does not know is refused too: a filter with a typing
error would otherwise match everything, and be replayed or discarded.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from flask import request

from web.problems import BadInput

DEFAULT_LIMIT = 50
LARGEST_LIMIT = 1000
LONGEST_TEXT = 2000
LONGEST_NUMBER = 18
"""Digits, so that both databases can compare it with a position."""

_AGO = re.compile(r"(\d{1,6})(s|m|h|d)")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
FLAGS = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
# What a time may look like, for the document; whether there is such a day, `parse_time` says.
WRITTEN_TIME = r"^(\d{4}-.*|\d{1,12}(\.\d{1,9})?|\d{1,6}[smhd])?$"
_SECONDS = re.compile(r"\d{1,12}(\.\d{1,9})?")


@dataclass(frozen=True)
class Parameter:
    """`kind` is text, time, flag, limit, cursor, position or one of `choices`."""

    name: str
    about: str
    kind: str = "text"
    choices: tuple[str, ...] = ()
    default: Any = None


LIMIT = Parameter(
    "limit", "How many items at most, 1 to 1000; a page may have fewer and a `next`.", "limit",
    default=DEFAULT_LIMIT,
)  # fmt: skip
CURSOR = Parameter("cursor", "The `next` of the page before.", "cursor")
SINCE = Parameter("since", "From this time on: RFC 3339, seconds since 1970, or `15m` ago.", "time")
UNTIL = Parameter("until", "Before this time; written like `since`.", "time")
Q = Parameter("q", "Text to look for.")
PAGE = (LIMIT, CURSOR)


def read_query(parameters: Sequence[Parameter]) -> dict[str, Any]:
    """The values by name; what was not given has its default. Raises BadInput."""
    known = {parameter.name: parameter for parameter in parameters}
    for name in request.args:
        if name not in known:
            takes = ", ".join(known) or "none"
            raise BadInput(f"There is no parameter {name[:80]!r} here; it takes: {takes}.")
    return {name: _read(parameter) for name, parameter in known.items()}


def _read(parameter: Parameter) -> Any:
    given = request.args.getlist(parameter.name)
    if len(given) > 1:
        raise BadInput(f"{parameter.name} is given {len(given)} times; give it once.")
    text = given[0] if given else ""
    if not text:
        return parameter.default
    if len(text) > LONGEST_TEXT:
        raise BadInput(f"{parameter.name} is longer than {LONGEST_TEXT} characters.")
    if parameter.choices and text not in parameter.choices:
        raise BadInput(
            f"{parameter.name} is {text[:80]!r}; it must be one of: {', '.join(parameter.choices)}."
        )
    if parameter.kind == "limit":
        return _limit(text)
    if parameter.kind == "time":
        return parse_time(parameter.name, text)
    if parameter.kind == "flag":
        return _flag(parameter.name, text)
    if "\x00" in text:
        raise BadInput(f"{parameter.name} holds a NUL character.")
    return text


def _limit(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= len(text) <= 4):
        raise BadInput(f"limit is {text[:20]!r}; it must be a whole number from 1 to 1000.")
    number = int(text)
    if not 1 <= number <= LARGEST_LIMIT:
        raise BadInput(f"limit is {number}; it must be from 1 to {LARGEST_LIMIT}.")
    return number


def _flag(name: str, text: str) -> bool:
    if text.lower() not in FLAGS:
        raise BadInput(f"{name} is {text[:20]!r}; it must be 1 or 0.")
    return FLAGS[text.lower()]


def whole(name: str, text: str | None) -> int | None:
    """A version or a position, as people write it. Raises BadInput."""
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= LONGEST_NUMBER):
        raise BadInput(
            f"{name} is {text[:20]!r}; it must be a whole number of at most {LONGEST_NUMBER} digits."
        )
    return int(text)


def parse_time(name: str, text: str) -> datetime:
    """A UTC datetime from RFC 3339, seconds since 1970, or a span back from now (`15m`)."""
    ago = _AGO.fullmatch(text)
    try:
        if ago:
            return datetime.now(UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        if _SECONDS.fullmatch(text):
            return datetime.fromtimestamp(float(text), UTC)
        # A plus sign that was not escaped in a URL arrives as a space.
        moment = datetime.fromisoformat(re.sub(r" (\d\d:?\d\d)$", r"+\1", text))
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
        return moment.astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        raise BadInput(
            f"{name} is {text[:80]!r}; write a time as 2026-01-31T12:00:00Z, "
            "as seconds since 1970, or as a span back from now such as 15m, 2h or 7d."
        ) from None
