"""JSON bodies: parsed strictly, then held against the route's schema.

What is not JSON (or is nested deeper than a stack, or holds NaN, or bytes
that are no UTF-8) is 400; JSON that does not fit the schema is 422, and the
answer names the place.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import msgspec
from flask import request
from jsonschema import Draft202012Validator
from werkzeug.exceptions import RequestEntityTooLarge

from app.errors import Refused
from web.problems import BadInput, Unsupported

DEEPEST = 64


def read_body(schema: Mapping[str, Any], *, optional: bool = False) -> Any:
    """The request's JSON. Raises BadInput, Unsupported or Refused."""
    raw = whole_body()
    if not raw.strip() and optional:
        return {}
    media = request.mimetype
    if media not in ("application/json", "") and not media.endswith("+json"):
        raise Unsupported(f"The body is {media}; send application/json.")
    value = parse_json(raw)
    check(value, schema)
    return value


def whole_body() -> bytes:
    """The bytes of the body. Raises RequestEntityTooLarge.

    A body sent in chunks says no length beforehand, and reading it stops
    silently at the limit: one that reaches it is taken as too large.
    """
    raw = request.get_data(cache=False)
    limit = request.max_content_length
    if request.content_length is None and limit is not None and len(raw) >= limit:
        raise RequestEntityTooLarge
    return raw


def parse_json(raw: bytes) -> Any:
    try:
        value = msgspec.json.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadInput(f"The body is not JSON: {error}.") from None
    if _deeper_than(value, DEEPEST):
        raise BadInput(f"The body is nested deeper than {DEEPEST} levels.")
    return value


def check(value: Any, schema: Mapping[str, Any]) -> None:
    """Raise Refused, naming the place, where `value` does not fit `schema`."""
    errors = sorted(_validator(msgspec.json.encode(schema)).iter_errors(value), key=_place)
    if errors:
        first = errors[0]
        where = _place(first) or "the body"
        message = first.message if len(first.message) <= 300 else first.message[:300] + "…"
        raise Refused(f"{where}: {message}")


@lru_cache(maxsize=256)
def _validator(schema: bytes) -> Draft202012Validator:
    return Draft202012Validator(msgspec.json.decode(schema))


def _place(error: Any) -> str:
    return ".".join(str(part) for part in error.absolute_path)


def _deeper_than(value: Any, levels: int) -> bool:
    layer = [value]
    for _ in range(levels):
        layer = [
            inner
            for outer in layer
            if isinstance(outer, (dict, list))
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not layer:
            return False
    return True
