"""The fields of a class: what it declares with a type and a start value, and their JSON form."""

from __future__ import annotations

import copy
import inspect
from typing import Any, ClassVar, get_origin, get_type_hints

import msgspec
from pydantic import BaseModel

from app.events.event import plain


def declared(cls: type, root: type) -> dict[str, Any]:
    """Field to start value, from the class and its bases below `root`.

    Raises `TypeError` for a field without a start value.
    """
    found: dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        if not issubclass(base, root) or base is root:
            continue
        for name, annotation in inspect.get_annotations(base).items():
            if name.startswith("_") or _is_class_variable(annotation):
                continue
            if not hasattr(cls, name):
                raise TypeError(
                    f"{cls.__name__}.{name} has no start value: write `{name}: {annotation} = …`, "
                    "what it is before the first event."
                )
            found[name] = getattr(cls, name)
    return found


def fresh(fields: dict[str, Any]) -> dict[str, Any]:
    """The start values, each a copy of its own: a list in a class belongs to all."""
    return {name: copy.deepcopy(value) for name, value in fields.items()}


def dump(values: dict[str, Any]) -> dict[str, Any]:
    """As JSON values."""
    return msgspec.to_builtins(values, enc_hook=plain, str_keys=True)


def load(hints: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
    """From JSON values, by the types that the fields declare."""
    return {
        name: msgspec.convert(value, hints.get(name, Any), strict=False, dec_hook=_read)
        for name, value in values.items()
    }


def hints_of(cls: type) -> dict[str, Any]:
    return get_type_hints(cls)


def _read(wanted: type, value: Any) -> Any:
    if isinstance(wanted, type) and issubclass(wanted, BaseModel):
        return wanted.model_validate(value)
    raise TypeError(
        f"a field can't be a {wanted.__name__}: use JSON values, dataclasses or pydantic"
    )


def _is_class_variable(annotation: Any) -> bool:
    if isinstance(annotation, str):
        return annotation.startswith(("ClassVar", "typing.ClassVar"))
    return annotation is ClassVar or get_origin(annotation) is ClassVar
