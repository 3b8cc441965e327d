"""The fields of a class: what it declares with a type and a start value, and their JSON form."""

from __future__ import annotations

import copy
import inspect
from collections import deque
from collections.abc import Collection
from typing import Any, ClassVar, get_origin, get_type_hints

import msgspec
from pydantic import BaseModel

from app.events.event import plain

_MUTABLE = (list, dict, set, bytearray, deque)


def declared(
    cls: type, root: type, settings: Collection[str], own: Collection[str]
) -> dict[str, Any]:
    """Field to start value, from the class and its bases but for `root`; `settings` are no fields.

    Raises `TypeError` for a field without a start value, for one that bears an attribute's name of the
    root itself (`own` are those of its objects), and for what would be one value for all objects.
    """
    found: dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        if base in root.__mro__:
            continue
        annotations = inspect.get_annotations(base)
        _check_shared(cls, base, root, annotations, {*settings, *vars(root)})
        for name, annotation in annotations.items():
            if name.startswith("_") or name in settings or _is_class_variable(annotation):
                continue
            if name in own or hasattr(root, name):
                raise TypeError(
                    f"{cls.__name__}.{name}: {root.__name__} has a {name} of its own, which this would "
                    f"take the place of. Give the field another name, such as {cls.__name__.lower()}_{name}."
                )
            if not hasattr(cls, name):
                raise TypeError(
                    f"{cls.__name__}.{name} has no start value: write `{name}: {annotation} = …`, "
                    "what it is before the first event."
                )
            found[name] = getattr(cls, name)
    return found


def _check_shared(
    cls: type, base: type, root: type, annotations: dict[str, Any], known: Collection[str]
) -> None:
    """What is no field isn't copied for each object: a list would belong to all of them.

    Only what can be changed in place is refused, since that can't be told from a field whose type was
    forgotten: a number, a logger or a pattern is a constant, and so is a list in capitals. Of a class that is
    mixed in, which may be a library's, the class that mixes it in can say what it is.
    """
    is_mixed_in = not issubclass(base, root)
    if is_mixed_in:
        before = cls.__mro__[: cls.__mro__.index(base)]
        known = {*known, *(name for one in before for name in inspect.get_annotations(one))}
    for name, value in vars(base).items():
        hint = annotations.get(name)
        if name in known or name.startswith("__") or name.strip("_").isupper():
            continue
        is_field = hint is not None and not name.startswith("_")
        if is_field or _is_class_variable(hint) or not isinstance(value, _MUTABLE):
            continue
        kind, public = type(value).__name__, name.lstrip("_")
        if is_mixed_in:
            raise TypeError(
                f"{cls.__name__}.{name} is one value for all: {base.__name__}, which is mixed in, makes it no field. "
                f"Say in {cls.__name__} what it is: `{public}: {kind} = …` for a field, or `{name}: ClassVar[{kind}] = "
                f"{base.__name__}.{name}` for what never changes."
            )
        raise TypeError(
            f"{cls.__name__}.{name} is one value for all, since only names with a type, and without _ "
            f"in front, are fields: write `{public}: {kind} = …` for a field, or "
            f"`{name}: ClassVar[{kind}] = …` for what never changes."
        )


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
