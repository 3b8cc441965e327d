"""Fields of a payload that not everybody may see: how a schema says so, and masking them. Pure.

An author marks a field, `card: str = sensitive()`, and its JSON Schema carries
`"sensitive": true`; so the web process, which has no class, knows it too. A
field is masked where any version of its type marks it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydantic import Field

MASK = "••••••"
MARK = "sensitive"
SHORTEST_SECRET = 4  # characters; shorter values would blot out half of a text

Schema = Mapping[str, Any]


def sensitive(default: Any = ..., **more: Any) -> Any:
    """pydantic's `Field`, marked: shown to operators and administrators only."""
    return Field(default, json_schema_extra={MARK: True}, **more)


def marks_any(schema: Any) -> bool:
    """Whether a schema marks a field anywhere."""
    if isinstance(schema, Mapping):
        return schema.get(MARK) is True or any(map(marks_any, schema.values()))
    return isinstance(schema, list) and any(map(marks_any, schema))


def marked_at(schema: Schema, path: Iterable[str | int]) -> bool | None:
    """Whether what is at this path is marked, lies in what is, or holds some; None where there is no such path."""
    applying = _flattened([schema], schema)
    for part in path:
        if _marked(applying):
            return True
        inner = _inside(applying, part)
        if not inner:
            return None
        applying = _flattened(inner, schema)
    return _marked(applying) or _holds_some(applying, schema)


def masked(data: Any, schemas: Iterable[Schema]) -> Any:
    """The data with what any of these schemas marks masked; a copy where something was."""
    for schema in schemas:
        data = _masked(data, [schema], schema)
    return data


def hidden_texts(data: Any, shown: Any) -> set[str]:
    """The texts that masking `data` to `shown` took away, to take them out of messages too."""
    if shown == MASK and data != MASK:
        return {text for text in _texts(data) if len(text) >= SHORTEST_SECRET}
    found: set[str] = set()
    if isinstance(data, dict) and isinstance(shown, dict):
        for name in data.keys() & shown.keys():
            found |= hidden_texts(data[name], shown[name])
    elif isinstance(data, list) and isinstance(shown, list):
        for one, other in zip(data, shown, strict=False):
            found |= hidden_texts(one, other)
    return found


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)
    elif value is not None and not isinstance(value, bool):
        yield str(value)


def _masked(data: Any, schemas: list[Schema], root: Schema) -> Any:
    """The value, seen by all the schemas that apply to it at once."""
    applying = _flattened(schemas, root)
    if _marked(applying):
        return data if data is None else MASK
    if isinstance(data, dict):
        return {
            name: _masked(value, _of_field(applying, name), root) for name, value in data.items()
        }
    if isinstance(data, list):
        inner = _of_items(applying)
        return [_masked(value, inner, root) for value in data] if inner else data
    return data


def _marked(schemas: list[Schema]) -> bool:
    return any(schema.get(MARK) is True for schema in schemas)


def _holds_some(schemas: list[Schema], root: Schema) -> bool:
    """Whether anything inside of them, or of what they refer to, is marked."""
    waiting: list[Any] = list(schemas)
    referred: set[str] = set()
    while waiting:
        one = waiting.pop()
        if isinstance(one, Mapping):
            if one.get(MARK) is True:
                return True
            reference = one.get("$ref")
            if isinstance(reference, str) and reference not in referred:
                referred.add(reference)
                waiting.append(_resolved(root, reference))
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one
    return False


def _inside(schemas: list[Schema], part: str | int) -> list[Schema]:
    """What applies one step further: to a field, or to an item by its place."""
    found = _of_field(schemas, part) if isinstance(part, str) else []
    return found + (_of_items(schemas) if isinstance(part, int) or part.isdecimal() else [])


def _of_items(schemas: list[Schema]) -> list[Schema]:
    inner = [s["items"] for s in schemas if isinstance(s.get("items"), Mapping)]
    return inner + [p for s in schemas for p in s.get("prefixItems", ())]


def _of_field(schemas: list[Schema], name: str) -> list[Schema]:
    found = []
    for schema in schemas:
        properties = schema.get("properties") or {}
        other = schema.get("additionalProperties")
        if name in properties:
            found.append(properties[name])
        elif isinstance(other, Mapping):
            found.append(other)
    return found


def _flattened(schemas: list[Schema], root: Schema) -> list[Schema]:
    """The schemas themselves, what they refer to, and their alternatives."""
    found: list[Schema] = []
    waiting = list(schemas)
    seen: set[str] = set()
    while waiting:
        schema = waiting.pop()
        if not isinstance(schema, Mapping):
            continue
        found.append(schema)
        for word in ("anyOf", "oneOf", "allOf"):
            waiting += schema.get(word, ())
        reference = schema.get("$ref")
        if isinstance(reference, str) and reference not in seen:
            seen.add(reference)
            waiting.append(_resolved(root, reference))
    return found


def _resolved(root: Schema, reference: str) -> Any:
    place: Any = root
    for part in reference.removeprefix("#/").split("/"):
        place = place.get(part) if isinstance(place, Mapping) else None
    return place
