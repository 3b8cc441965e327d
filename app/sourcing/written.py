"""Whether a state is read back from its written form as it is: else a snapshot of it would be another state.

JSON knows text, numbers, lists and mappings by text. A field's type says what to make of these again
(`dict[int, str]`, `tuple[str, datetime]`, a dataclass); a bare `dict` or `list` says nothing about its
parts, and an attribute that the class doesn't declare is not written at all.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

from msgspec import inspect as types
from pydantic import BaseModel

from app.sourcing.kind import Kind
from app.store.columns import from_json, to_json

NUMBERS = {int, float}


def unlike(kind: Kind[Any], id: str, version: int, state: Any) -> str | None:
    """Which field isn't read back as it is, in words; None where all are."""
    try:
        written = from_json(to_json(kind.dump(state)))
        return _differing(kind.parts(state), kind.parts(kind.load(id, version, written)))
    except Exception as error:  # whatever it is: such a snapshot is of no use
        return f"it can't be written and read back: {error}"


def lint(kind: Kind[Any]) -> list[str]:
    """The fields that no snapshot can hold, as far as types and start values show it: a sentence each."""
    if kind.snapshot_every is None:
        return []
    try:
        hints = kind.hints()
    except NameError as error:  # a name that is imported for type checkers only
        return [
            f"{kind.category} has snapshots, but the types of its fields can't be told: {error}"
        ]
    found = [
        f"{name} is declared as {named}, which no JSON is read as"
        for name, hint in hints.items()
        if (named := unreadable(hint))
    ]
    if not found and (problem := unlike(kind, "lint", 0, kind.start("lint"))):
        found = [problem]
    return [f"{kind.category} has snapshots, but {problem}" for problem in found]


def _differing(held: dict[str, Any], read: dict[str, Any]) -> str | None:
    for name in (*held, *(name for name in read if name not in held)):
        if name not in read:
            return f"{name} is not declared as a field of the class, so it is not written"
        if name not in held:
            return f"{name} is declared as a field of the class, and was deleted"
        if differing := _difference(held[name], read[name]):
            return "{} holds {}, which would be read back as {}".format(name, *differing)
    return None


def parts_of(one: Any, *without: str) -> dict[str, Any]:
    """What an object holds, but for what it has only worked out and for those names."""
    cls = type(one)
    return {
        name: value
        for name, value in vars(one).items()
        if name not in without and not isinstance(getattr(cls, name, None), cached_property)
    }


def unreadable(hint: Any) -> str | None:
    """The name of a type within an annotation that no JSON can be read as; None where there is none."""
    try:
        return _custom(types.type_info(hint), set())
    except Exception as error:  # whatever msgspec can't make of it, it can't read either
        return str(error)


def _custom(info: Any, seen: set[int]) -> str | None:
    if id(info) in seen:
        return None  # a class that has fields of its own kind
    seen.add(id(info))
    if isinstance(info, types.CustomType):
        cls = info.cls
        return None if isinstance(cls, type) and issubclass(cls, BaseModel) else cls.__name__
    if isinstance(info, types.UnionType):
        within: Any = info.types
    elif isinstance(info, types.DictType):
        within = (info.key_type, info.value_type)
    elif isinstance(info, types.TupleType):
        within = info.item_types
    else:
        fields = getattr(info, "fields", ())
        within = [getattr(info, "item_type", None), *(each.type for each in fields)]
    return next((named for each in within if each and (named := _custom(each, seen))), None)


def _difference(one: Any, other: Any) -> tuple[str, str] | None:
    """The types at which two values part; None where they are equal, of the same types.

    What is only equal (a `defaultdict` and a `dict`, an enum and its value) acts otherwise. The values
    themselves may be personal data, and are not told.
    """
    named = type(one).__name__, type(other).__name__
    if type(one) is not type(other):
        return None if {type(one), type(other)} == NUMBERS and one == other else named
    if isinstance(one, dict):
        return _difference(list(one.items()), list(other.items()))
    if isinstance(one, list | tuple) and len(one) == len(other):
        pairs = zip(one, other, strict=True)
        return next((found for a, b in pairs if (found := _difference(a, b))), None)
    return None if one == other else named
