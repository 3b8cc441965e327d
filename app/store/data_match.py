"""A condition on one field of an event's data, as people write it: `customer.id=42`.

Pure. The path leads through objects (and lists, by position); the value is the
text of what JSON says there: `42` matches the number and the string, `true`
the truth value, `null` what is null. Letters count as they are written.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.errors import Refused

_MISSING = object()


@dataclass(frozen=True)
class DataMatch:
    path: tuple[str, ...]
    value: str

    @classmethod
    def parse(cls, text: str) -> DataMatch:
        """From `field=value` or `data.field.field=value`. Raises `Refused`."""
        left, equals, value = text.partition("=")
        path = tuple(part.strip() for part in left.strip().removeprefix("data.").split("."))
        if not equals or not all(path):
            raise Refused(
                f"{text[:80]!r} is no condition on a field of the data: write it as "
                "customer.id=42, with the field's path on the left of the sign."
            )
        return cls(path, value.strip())

    def holds(self, data: Any) -> bool:
        """Whether the data has this value there."""
        found = data
        for part in self.path:
            found = _inside(found, part)
        return found is not _MISSING and _text(found) == self.value


def _inside(value: Any, part: str) -> Any:
    if isinstance(value, Mapping):
        return value.get(part, _MISSING)
    if isinstance(value, list) and part.isdecimal() and int(part) < len(value):
        return value[int(part)]
    return _MISSING


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
