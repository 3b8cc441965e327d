"""Filters: which events a subscription wants.

The dialects are those of the CloudEvents Subscriptions API, section 3.2.4
(https://github.com/cloudevents/spec/blob/main/subscriptions/spec.md): `exact`,
`prefix` and `suffix` map attributes to texts, all of which must fit; `all` and
`any` take lists of filters, `not` takes one. A list at the top means `all`.
Beyond the specification, an attribute may be a path into the data:
`{"exact": {"data.country": "CH"}}` compares with any JSON value, and `cel` takes
an expression (see `expressions.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from operator import attrgetter
from typing import Any

import msgspec

from app.errors import Refused
from app.events.event import ATTRIBUTES, Event
from app.events.expressions import compile_expression

Predicate = Callable[[Event], bool]
Filter = dict[str, Any] | list[dict[str, Any]] | None


def matches(filter: Filter, event: Event) -> bool:
    """Whether a filter lets an event through; None lets everything through."""
    if not filter:
        return True
    return _compiled(msgspec.json.encode(filter))(event)


def compile_filter(filter: Filter) -> Predicate | None:
    """The predicate of a filter, None where it lets everything through; raises `Refused` where it is none."""
    if not filter:
        return None
    if isinstance(filter, list):
        filter = {"all": filter}
    if not isinstance(filter, dict) or len(filter) != 1:
        raise Refused(
            f"a filter is a mapping with one of exact, prefix, suffix, all, any, not, cel; got {filter!r}"
        )
    ((dialect, argument),) = filter.items()
    maker = _DIALECTS.get(dialect)
    if maker is None:
        raise Refused(
            f"unknown filter {dialect!r}: use exact, prefix, suffix, all, any, not or cel"
        )
    return maker(argument)


def reader(path: str) -> Callable[[Event], Any]:
    """A function that reads an attribute, or a path into the data such as `data.items.0.price`."""
    if path in ATTRIBUTES and path != "data":
        return attrgetter(path)
    if path != "data" and not path.startswith("data."):
        return lambda event: event.extensions.get(path)
    steps = path.split(".")[1:]

    def read(event: Event) -> Any:
        value = event.data
        for step in steps:
            if isinstance(value, dict):
                value = value.get(step)
            elif isinstance(value, list):
                value = value[int(step)] if step.isdigit() and int(step) < len(value) else None
            else:
                value = getattr(value, step, None)
            if value is None:
                return None
        return value

    return read


def _each(fits: Callable[[Any, Any], bool]) -> Callable[[Any], Predicate]:
    def make(argument: Any) -> Predicate:
        if not isinstance(argument, dict) or not argument:
            raise Refused(f"expected a mapping from attributes to values, got {argument!r}")
        wanted = [(reader(name), value) for name, value in argument.items()]
        if len(wanted) == 1:  # the usual case, on the path of every event
            ((read, only),) = wanted
            return lambda event: fits(read(event), only)
        return lambda event: all([fits(read(event), value) for read, value in wanted])

    return make


def _same(value: Any, wanted: Any) -> bool:
    return value == wanted and type(value) is type(wanted)


def _exact(argument: Any) -> Predicate:
    general = _each(_same)(argument)
    name, wanted = next(iter(argument.items()))
    if len(argument) > 1 or name == "data" or name not in ATTRIBUTES or type(wanted) is not str:
        return general
    # The usual case, on the path of every event. An attribute that equals a text is one.
    read = reader(name)
    return lambda event: read(event) == wanted


def _some(combine: Callable[[Any], bool]) -> Callable[[Any], Predicate]:
    def make(argument: Any) -> Predicate:
        if not isinstance(argument, list) or not argument:
            raise Refused(f"expected a list of filters that is not empty, got {argument!r}")
        parts = [part for part in map(compile_filter, argument) if part]
        return lambda event: combine(part(event) for part in parts)

    return make


def _not(argument: Any) -> Predicate:
    inner = compile_filter(argument)
    if inner is None:
        raise Refused("`not` takes one filter")
    return lambda event: not inner(event)


_DIALECTS: dict[str, Callable[[Any], Predicate]] = {
    "exact": _exact,
    "prefix": _each(lambda value, wanted: isinstance(value, str) and value.startswith(wanted)),
    "suffix": _each(lambda value, wanted: isinstance(value, str) and value.endswith(wanted)),
    "all": _some(all),
    "any": _some(any),
    "not": _not,
    "cel": compile_expression,
}


@lru_cache(maxsize=1024)
def _compiled(filter: bytes) -> Predicate:
    return compile_filter(msgspec.json.decode(filter)) or (lambda event: True)
