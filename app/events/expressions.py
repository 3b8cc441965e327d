"""Filters in the Common Expression Language: `{"cel": "event.data.total > 100"}`.

The language is CEL (https://github.com/google/cel-spec); the variables are `event`,
whose fields are those of the CloudEvents JSON form, and `data`, which is short for
`event.data`. An attribute that
an event lacks is null; a field that its data lacks is an error, as CEL has it,
unless `has(event.data.total)` looks first. What can be seen to be wrong is
refused when the filter is written. What fails on an event raises
`FilterFailed`: whether the event is wanted is not known, so its delivery is
parked with these words and not passed over in silence.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from app.errors import Refused
from app.events.event import ATTRIBUTES, Event, plain

if TYPE_CHECKING:
    import cel

LONGEST = 4000
"""Characters of an expression: more is a handler's work."""
FUNCTIONS = frozenset(
    [
        "all",
        "bool",
        "bytes",
        "contains",
        "double",
        "duration",
        "dyn",
        "endsWith",
        "exists",
        "exists_one",
        "filter",
        "getDate",
        "getDayOfMonth",
        "getDayOfWeek",
        "getDayOfYear",
        "getFullYear",
        "getHours",
        "getMilliseconds",
        "getMinutes",
        "getMonth",
        "getSeconds",
        "has",
        "int",
        "map",
        "matches",
        "max",
        "min",
        "size",
        "startsWith",
        "string",
        "timestamp",
        "type",
        "uint",
    ]
)
_NAME = re.compile(r"[A-Za-z_][A-Za-z_0-9]*")
_LOOP = re.compile(r"\.(?:all|exists|exists_one|map|filter)\(\s*([A-Za-z_]\w*)\s*,")


class FilterFailed(Exception):
    """An expression could not say whether it wants an event."""


def compile_expression(source: Any) -> Callable[[Event], bool]:
    """The predicate of an expression; raises `Refused` where it is none."""
    if not isinstance(source, str) or not source.strip():
        raise Refused(
            f"cel takes an expression as a text, as in event.data.total > 100; got {source!r}"
        )
    if len(source) > LONGEST:
        raise Refused(f"an expression has at most {LONGEST:,} characters, not {len(source):,}")
    import cel  # a fifth of a second, which only those pay who use it

    try:
        program = cel.compile(source)
    except ValueError as error:
        raise Refused(f"the expression can't be read: {error}") from error
    _check_names(program, source)
    names = set(_NAME.findall(source))
    attributes = sorted(names & (ATTRIBUTES - {"data"}))
    with_data = "data" in names
    variables = set(program.variables())

    def wants(event: Event) -> bool:
        # Only what is named: each value costs its translation, a time the most.
        told = {name: event.extensions[name] for name in event.extensions.keys() & names}
        for name in attributes:
            told[name] = getattr(event, name)
        context = cel.Context()
        if "data" in variables:
            context.add_variable("data", _plain(event.data))
        if "event" in variables:
            if with_data:
                told["data"] = _plain(event.data)
            context.add_variable("event", told)
        try:
            answer = program.execute(context)
        except Exception as error:
            raise FilterFailed(_explained(source, error)) from error
        if answer is True or answer is False:
            return answer
        raise FilterFailed(f"`{source}` gave {answer!r}: a filter's expression is true or false")

    return wants


class Search:
    """An expression as a search has it: an event that lacks what it asks for is not looked for.

    `failed` counts the events on which it could not be said for another reason, and `problem` is
    the first of these: a comparison of a text with a number, say.
    """

    def __init__(self, source: str):
        self._wants = compile_expression(source)
        self.failed = 0
        self.problem: str | None = None

    def __call__(self, event: Event) -> bool:
        try:
            return self._wants(event)
        except FilterFailed as failure:
            if not isinstance(failure.__cause__, KeyError) and event.data is not None:
                self.failed += 1
                self.problem = self.problem or str(failure)
            return False


def _check_names(program: cel.Program, source: str) -> None:
    known = {"event", "data", *_LOOP.findall(source)}
    for name in program.variables():
        if name not in known:
            raise Refused(
                f"the expression has no variable {name!r}: an attribute is event.{name},"
                f" a field of the data event.data.{name}, or data.{name} for short"
            )
    for name in program.functions():
        if name.isidentifier() and not name.startswith("_") and name not in FUNCTIONS:
            raise Refused(
                f"there is no function {name!r}; there are {', '.join(sorted(FUNCTIONS))}"
            )


def _explained(source: str, error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"`{source}`: the event has no {error.args[0]!r}: ask has(…) first"
    return f"`{source}`: {error}"


def _plain(data: Any) -> Any:
    """The data as JSON values; most often it is that already."""
    return (
        data if data is None or isinstance(data, dict | list | str | int | float) else plain(data)
    )
