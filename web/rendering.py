"""JSON as the API writes it.

Times are RFC 3339 in UTC, and what JSON has no number for (NaN, infinity)
becomes null, so that every answer can be read by every parser.
"""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from flask import Response
from pydantic import BaseModel

from app.events.event import Event


def encode(value: Any) -> bytes:
    return msgspec.json.encode(value, enc_hook=_plain)


def answer(value: Any, status: int = 200) -> Response:
    return Response(encode(value), status, content_type="application/json")


def instant(seconds: float) -> str:
    moment = datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
    return moment.replace("+00:00", "Z")


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "item"):  # a number of numpy's
        return value.item()
    raise TypeError(f"can't write a {type(value).__name__} as JSON")


def cloud_event(event: Event | dict[str, Any]) -> dict[str, Any]:
    """The CloudEvents JSON format of an event, however it was kept."""
    return event.to_dict() if isinstance(event, Event) else event
