"""The form that changes a subscription's settings: from its fields to what is different.

A field that is left empty means what the code says. Whether a value can work
is for the core to say.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from app.errors import Refused
from web.console.pages import field


def changes(found: Mapping[str, Any], given: Mapping[str, str]) -> dict[str, Any]:
    """What a form asks for that differs from `found`. Raises `Refused` for what can't be read."""
    wanted: dict[str, Any] = {}
    for name, read in FIELDS.items():
        if name not in given:
            continue
        text = field(name)
        try:
            value = read(text) if text else None
        except ValueError:
            raise Refused(f"{name}: {text!r} is {WRONG[read]}.") from None
        if name == "attempts":
            if value is not None and value != found["retry"].get("attempts"):
                wanted["retry"] = {**found["retry"], "attempts": value}
        elif value != found.get(name):
            wanted[name] = value
    return wanted


def shown_filter(filter: Any) -> str:
    """A filter as the form shows it: an expression bare, everything else as JSON."""
    if not filter:
        return ""
    if isinstance(filter, dict) and set(filter) == {"cel"}:
        return str(filter["cel"])
    return msgspec.json.encode(filter).decode()


def read_filter(text: str) -> Any:
    """JSON in braces or brackets; anything else is an expression."""
    if text[0] not in "{[":
        return {"cel": text}
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise Refused(f"The filter is no JSON: {error}. An expression needs no braces.") from error


FIELDS: dict[str, Callable[[str], Any]] = {
    "attempts": int, "timeout": float, "rate": float, "concurrency": int, "priority": str,
    "lane": str, "filter": read_filter,
}  # fmt: skip
WRONG = {int: "no whole number", float: "no number", str: "no text", read_filter: "no filter"}
