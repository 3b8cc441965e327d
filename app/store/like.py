"""Searching for a part of a text, in any case, on both databases."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Text, or_, type_coerce


def pattern(part: str) -> str:
    """A LIKE pattern for texts with this part in them, with `!` as its escape."""
    for special in "!%_":
        part = part.replace(special, f"!{special}")
    return f"%{part}%"


def any_has(part: str, *columns: Any) -> ColumnElement[bool]:
    """One of the columns has this part; JSON is searched as it is written."""
    wanted = pattern(part)
    return or_(*(type_coerce(column, Text).ilike(wanted, escape="!") for column in columns))
