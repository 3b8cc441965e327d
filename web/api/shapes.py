"""JSON Schemas of what the API answers and reads, used by more than one noun."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
MAYBE_TEXT: Schema = {"type": ["string", "null"]}
NUMBER: Schema = {"type": "number"}
MAYBE_NUMBER: Schema = {"type": ["number", "null"]}
COUNT: Schema = {"type": "integer", "minimum": 0}
MAYBE_COUNT: Schema = {"type": ["integer", "null"], "minimum": 0}
TIME: Schema = {"type": "string", "format": "date-time"}
MAYBE_TIME: Schema = {"type": ["string", "null"], "format": "date-time"}
ANY_OBJECT: Schema = {"type": "object"}
FLAG: Schema = {"type": "boolean"}


def obj(required: Schema, **optional: Any) -> Schema:
    """An object with these properties; those of `required` are always there."""
    return {"type": "object", "properties": {**required, **optional}, "required": [*required]}


def closed(required: Schema, **optional: Any) -> Schema:
    """As `obj`, and nothing else is taken."""
    return {**obj(required, **optional), "additionalProperties": False}


def many(item: Schema) -> Schema:
    return {"type": "array", "items": item}


def page_of(item: Schema) -> Schema:
    return obj({"items": many(item), "next": MAYBE_TEXT})


CLOUD_EVENT = obj(
    {"specversion": {"const": "1.0"}, "id": TEXT, "source": TEXT, "type": TEXT},
    subject=TEXT, time=TIME, datacontenttype=TEXT, dataschema=TEXT, data={}, data_base64=TEXT,
    partitionkey=TEXT, correlationid=TEXT, causationid=TEXT, traceparent=TEXT, tracestate=TEXT,
    recordedtime=TIME,
)  # fmt: skip

# What is published needs a type only: the rest is filled in.
NEW_EVENT = obj(
    {"type": {"type": "string", "minLength": 1}},
    **{name: each for name, each in CLOUD_EVENT["properties"].items()
       if name not in ("type", "recordedtime")},
)  # fmt: skip

REASON = closed({}, reason={"type": "string", "maxLength": 2000})

EVENT_FILTER = closed(
    {}, ids={**many(TEXT), "minItems": 1, "maxItems": 10_000},
    type=TEXT, subject=TEXT, partitionkey=TEXT, correlationid=TEXT, topic=TEXT,
    since={"type": ["string", "number"]}, until={"type": ["string", "number"]}, q=TEXT, expression=TEXT,
)  # fmt: skip

LETTER_FILTER = closed(
    {}, subscription=TEXT, type=TEXT, group=TEXT, since={"type": ["string", "number"]},
    until={"type": ["string", "number"]}, q=TEXT,
)  # fmt: skip
