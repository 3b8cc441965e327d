"""A form from a JSON Schema: one field for each property, and the way back to data. Pure.

Texts, numbers, truth values and choices have controls of their own; what is
deeper is written as JSON. Whether the data fits is for the publisher to say.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

SIMPLE = ("string", "integer", "number", "boolean")
PREFIX = "data."


@dataclass(frozen=True)
class Field:
    """`kind` is string, integer, number, boolean, choice or json; `nullable`: left empty, it is null."""

    name: str
    kind: str
    required: bool
    about: str
    choices: tuple[Any, ...]
    value: str
    problem: str = ""
    nullable: bool = False


def fields(
    schema: Mapping[str, Any], given: Mapping[str, str], problems: Mapping[str, str]
) -> list[Field]:
    """The form's fields, with what was given and what is wrong with it."""
    found = []
    for name, part in schema.get("properties", {}).items():
        kind, choices = _kind(part, schema)
        default = part.get("default")
        value = given.get(PREFIX + name, "" if default is None else _text(default))
        about = str(part.get("description") or _title(name, part))
        required = name in schema.get("required", ())
        nullable = (required or default is not None) and _may_be_null(part, schema)
        problem = problems.get(name, "")
        found.append(Field(name, kind, required, about, choices, value, problem, nullable))
    return found


def data_of(
    schema: Mapping[str, Any], given: Mapping[str, str]
) -> tuple[dict[str, Any], dict[str, str]]:
    """The data that a form gives, and what can't be read of it by field.

    Empty fields are left out; but one that was sent empty is null where that differs from leaving it out.
    """
    data: dict[str, Any] = {}
    problems: dict[str, str] = {}
    for one in fields(schema, given, {}):
        text = given.get(PREFIX + one.name, "").strip()
        if not text:
            if one.nullable and PREFIX + one.name in given:
                data[one.name] = None
            continue
        if one.kind == "string":
            data[one.name] = text
        elif one.kind == "choice":
            data[one.name] = next((c for c in one.choices if _text(c) == text), text)
        else:
            try:
                data[one.name] = msgspec.json.decode(text)
            except msgspec.DecodeError:
                what = "JSON" if one.kind == "json" else f"of the kind {one.kind}"
                problems[one.name] = f"{text[:60]!r} is not {what}"
    return data, problems


def given_of(data: Any) -> dict[str, str]:
    """What a form that gives this data would send."""
    return {PREFIX + n: "" if value is None else _text(value) for n, value in data.items()}


def _may_be_null(part: Mapping[str, Any], schema: Mapping[str, Any]) -> bool:
    part = _followed(part, schema)
    kinds = (_followed(one, schema) for one in part.get("anyOf", ()))
    return part.get("type") == "null" or any(_may_be_null(one, schema) for one in kinds)


def _kind(part: Mapping[str, Any], schema: Mapping[str, Any]) -> tuple[str, tuple[Any, ...]]:
    part = _followed(part, schema)
    if "enum" in part:
        return "choice", tuple(part["enum"])
    kinds = [_followed(one, schema) for one in part.get("anyOf", ())]
    simple = [one for one in kinds if one.get("type") != "null"]
    if len(simple) == 1:  # an optional one
        return _kind(simple[0], schema)
    kind = part.get("type")
    return (kind if kind in SIMPLE else "json"), ()


def _followed(part: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a `$ref` into the schema's own definitions stands for."""
    name = str(part.get("$ref", "")).rpartition("/")[2]
    found = schema.get("$defs", {}).get(name)
    return found if isinstance(found, Mapping) else part


def _title(name: str, part: Mapping[str, Any]) -> str:
    """The property's title, unless it only says its name again, as pydantic's do."""
    title = str(part.get("title") or "")
    return "" if title.casefold() == name.replace("_", " ").casefold() else title


def _text(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
