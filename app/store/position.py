"""Places in a topic: a stream's entry ids (`1790000000123-0`), and a form that sorts as text."""

from __future__ import annotations


def sortable(position: str) -> str:
    """A stream's entry id as text that sorts like it."""
    milliseconds, _, number = position.partition("-")
    return f"{int(milliseconds):015d}-{int(number or 0):012d}"


def entry_id(position: str) -> str:
    milliseconds, _, number = position.partition("-")
    return f"{int(milliseconds)}-{int(number)}"


def recorded(position: str) -> float:
    """When a position was given out, in seconds since 1970."""
    return int(position.partition("-")[0]) / 1000
