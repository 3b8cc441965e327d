"""CloudEvents over HTTP: the structured, batched and binary modes.

Source: the HTTP protocol binding, version 1.0.2
(https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md).
A plain `application/json` body is taken as structured (an object) or batched
(a list), unless `ce-` headers say that it is the data of the binary mode.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

import msgspec

from app.errors import InvalidEvents, PenstockError
from app.events.event import Event

STRUCTURED = "application/cloudevents+json"
BATCHED = "application/cloudevents-batch+json"


class Unparsable(PenstockError):
    """The body is not what its content type says."""


class UnknownContentType(PenstockError):
    """The content type is none of those that carry events."""


def parse_request(content_type: str, headers: Mapping[str, str], body: bytes) -> list[Event]:
    """The events of a request.

    Raises `Unparsable` where the body is no JSON, `UnknownContentType` for an unknown content
    type, `InvalidEvents` that names each bad event of a batch.
    """
    media = content_type.partition(";")[0].strip().lower()
    attributes = {
        name.lower()[3:]: value for name, value in headers.items() if name.lower().startswith("ce-")
    }
    if media == STRUCTURED:
        return read_events([_json(body)])
    if media == BATCHED:
        return read_events(_list(_json(body)))
    if attributes:
        return read_events([_binary(media, attributes, body)])
    if media in ("application/json", ""):
        value = _json(body)
        return read_events(value if isinstance(value, list) else [value])
    raise UnknownContentType(
        f"can't read {media or 'a body without a content type'}: send {STRUCTURED}, {BATCHED},"
        " or the data itself with ce-id, ce-source, ce-type and ce-specversion headers"
    )


def read_events(values: list[Any]) -> list[Event]:
    """Events from the JSON format; every bad one is named by its index."""
    events, problems = [], []
    for index, value in enumerate(values):
        try:
            events.append(Event.from_dict(value))
        except InvalidEvents as error:
            problems += [{**problem, "index": index} for problem in error.problems]
    if problems:
        raise InvalidEvents(problems)
    return events


def _binary(media: str, attributes: dict[str, str], body: bytes) -> dict[str, Any]:
    """A request of the binary mode, as the JSON format has it."""
    event: dict[str, Any] = {name: unquote(value) for name, value in attributes.items()}
    if media:
        event["datacontenttype"] = media
    if not body:
        return event
    if media in ("application/json", "") or media.endswith("+json"):
        event["data"] = _json(body)
    elif media.startswith("text/"):
        event["data"] = _text(body)
    else:
        event["data_base64"] = base64.b64encode(body).decode()
    return event


def _json(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Unparsable(f"the body is not JSON: {error}") from error


def _text(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise Unparsable(f"the body is not UTF-8 text: {error}") from error


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise Unparsable("a batch is a JSON list of events")
    return value
