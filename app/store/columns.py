"""Column types and texts that every table uses."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec
from sqlalchemy import BigInteger, Double, Integer, String, Text
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

KEY_LENGTH = 160
"""Characters of an indexed text: three of them, of four bytes each, fit PostgreSQL's 2,704."""

LARGEST = 2**31 - 1
"""The largest number of a version: a statement can't be given a larger one, and no row has it."""

Moment = Double
"""Seconds since 1970 in UTC (see moments.py)."""

Serial = BigInteger().with_variant(Integer, "sqlite")
"""A number that the database gives out; SQLite does so for INTEGER only."""

Key = String
LongText = Text


class JsonText(TypeDecorator[Any]):
    """Any JSON value, as compact text: the same bytes on both databases.

    Text and not a JSON column, since PostgreSQL's refuses what JSON allows (`\\u0000`).
    """

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        return None if value is None else to_json(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        return None if value is None else from_json(value)


def to_json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def from_json(text: str) -> Any:
    return msgspec.json.decode(text)


def key(text: str) -> str:
    """A text as indexed columns hold it: whole where short, else its beginning and its hash.

    Equal texts stay equal and different ones different, so look-ups shorten what they look for.
    """
    if len(text) <= KEY_LENGTH and text.isascii() and "\0" not in text:
        return text  # nearly always, and it runs six times for every event
    text = clean(text)
    if len(text) <= KEY_LENGTH:
        return text
    digest = hashlib.sha256(text.encode()).hexdigest()[:32]
    return f"{text[: KEY_LENGTH - 33]}~{digest}"


def key_or_none(text: str | None) -> str | None:
    return None if text is None else key(text)


def clean(text: str) -> str:
    """A text that both databases can hold: no NUL, no half of a surrogate pair."""
    if "\0" in text:
        text = text.replace("\0", "\ufffd")
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        text = text.encode("utf-8", "replace").decode()
    return text
