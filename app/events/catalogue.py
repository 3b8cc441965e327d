"""What is known of every type, wherever it was registered.

A worker knows types by their classes; the web process, which imports no
handlers, knows them by what the workers wrote to SQL: topic, tracking and a
JSON Schema. A type that neither knows is accepted as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from pydantic import ValidationError

from app.errors import NewerData
from app.events import sensitive
from app.events.event import Event, attribute_problems, is_sound, plain
from app.events.schema import EventTypes, Tracking, field_problems, schema_urn, version_in
from app.events.topics import SYSTEM_TOPIC, check_type, first_segment

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator
    from jsonschema import ValidationError as JsonSchemaError


_OURS = f"{SYSTEM_TOPIC}."
_NAMES_ONLY = ("required", "additionalProperties", "dependentRequired")
"""What a JSON Schema may ask for whose error repeats names and no values."""


class StoredSchema(NamedTuple):
    """A type as SQL holds it."""

    version: int
    topic: str
    tracking: Tracking
    json_schema: dict[str, Any]


@dataclass
class Catalogue:
    """Types by class, and behind them those that `stored()` gives (name to `StoredSchema`).

    `stored()` may be some moments old; `anew()` is not.
    """

    types: EventTypes
    stored: Callable[[], Mapping[str, StoredSchema]] = dict
    anew: Callable[[], Mapping[str, StoredSchema]] = dict

    def topic_of(self, event_type: str) -> str:
        known = self.types.current(event_type) or self.stored().get(event_type)
        return known.topic if known else first_segment(event_type)

    def tracking_of(self, event_type: str) -> Tracking:
        known = self.types.current(event_type) or self.stored().get(event_type)
        return known.tracking if known else "run"

    def topics_of(self, event_types: tuple[str, ...]) -> tuple[str, ...]:
        """The topics of several types, each once, in order."""
        return tuple(dict.fromkeys(self.topic_of(name) for name in event_types))

    def check(self, event: Event) -> tuple[Event, list[dict[str, str]]]:
        """The event with its `dataschema` stamped, and what is wrong with it: `field` and `problem`."""
        if not is_sound(event) and (problems := attribute_problems(event)):
            return event, problems
        name = event.type
        if wrong := _type_problem(name):
            return event, [{"field": "type", "problem": wrong}]
        if name in self.types.versions:
            return self._check_by_class(event)
        schema = self.stored().get(name)
        return self._check_by_schema(event, schema) if schema else (event, [])

    def unreleased(self, event: Event) -> dict[str, str] | None:
        """What is wrong with an event from outside that names a version of ours which no release has written.

        Whoever has a class would leave it to newer code, for ever; also where no release knows the type yet.
        """
        version, name = version_in(event.dataschema), event.type
        if version is None:
            return None
        known = self.types.current(name)
        newest = known.version if known else 0
        if version <= newest or (
            (at_hand := self.stored().get(name)) and version <= at_hand.version
        ):
            return None
        written = self.anew().get(name)
        newest = max(newest, written.version if written else 0)
        if version <= newest:
            return None
        has = f"its newest is {newest}" if newest else "it has no schema here"
        return {"field": "dataschema", "problem": f"{name} has no version {version}: {has}"}

    def _check_by_class(self, event: Event) -> tuple[Event, list[dict[str, str]]]:
        versions = self.types.versions[event.type]
        version = version_in(event.dataschema) or max(versions)
        known = versions.get(version)
        if known is None:
            # An older class may be gone: its upcasters show whether it can still be read.
            try:
                self.types.read(event.type, event.dataschema, plain_data(event.data))
            except NewerData:
                return event, []  # checked by the newer code that it is of: the relay passes it on
            except ValidationError as error:
                return event, field_problems(error, self.types.newest[event.type].model)
            return event, []
        if not isinstance(event.data, known.model):
            try:
                known.model.model_validate(event.data)
            except ValidationError as error:
                return event, field_problems(error, known.model)
        return (event if event.dataschema else event.but(dataschema=known.urn)), []

    def _check_by_schema(
        self, event: Event, schema: StoredSchema
    ) -> tuple[Event, list[dict[str, str]]]:
        version = version_in(event.dataschema) or schema.version
        if version > schema.version and version > (newest := self._newest(event.type, schema)):
            problem = f"{event.type} has no version {version}: its newest is {newest}"
            return event, [{"field": "dataschema", "problem": problem}]
        if version != schema.version:
            return event, []  # read, upcast and checked by the worker
        problems = schema_problems(schema.json_schema, event.data)
        stamped = (
            event if event.dataschema else event.but(dataschema=schema_urn(event.type, version))
        )
        return stamped, problems

    def _newest(self, event_type: str, schema: StoredSchema) -> int:
        """The newest version that is known now: a release may have brought it this moment."""
        return self.anew().get(event_type, schema).version


@lru_cache(maxsize=1024)
def _type_problem(name: str) -> str | None:
    if name.startswith(_OURS):
        return "types that begin with penstock. are Penstock's own"
    return check_type(name)


def schema_problems(schema: Mapping[str, Any], data: Any) -> list[dict[str, str]]:
    """What of `data` doesn't fit a JSON Schema: the `field` at fault and the `problem` in words."""
    problems = []
    marks = sensitive.marks_any(schema)
    for error in _validator(msgspec.json.encode(schema)).iter_errors(plain_data(data)):
        path = ".".join(map(str, ("data", *error.absolute_path, *_missing(error))))
        problems.append({"field": path, "problem": _said(error, schema if marks else None)[:300]})
    return problems


def _said(error: JsonSchemaError, marking: Mapping[str, Any] | None) -> str:
    """The error in words, without what was given for a field that is marked.

    Of an open bound those of the library say that -3 is "equal to the minimum".
    """
    if (
        marking is not None
        and error.validator not in _NAMES_ONLY
        and sensitive.marked_at(marking, error.absolute_path) is not False
    ):
        return f"is not what {error.validator} asks for: {error.validator_value!r}"
    bound = {"exclusiveMinimum": "more", "exclusiveMaximum": "less"}.get(str(error.validator))
    return (
        f"{error.instance!r} is not {bound} than {error.validator_value!r}"
        if bound
        else error.message
    )


def _missing(error: JsonSchemaError) -> list[str]:
    """The name of the field that is not there, where that is the error: it is the field at fault."""
    if error.validator != "required":
        return []
    return [name for name in error.validator_value if error.message.startswith(f"{name!r} ")]


def plain_data(data: Any) -> Any:
    """Data as plain JSON values."""
    return msgspec.to_builtins(data, enc_hook=plain)


@lru_cache(maxsize=512)
def _validator(schema: bytes) -> Draft202012Validator:
    from jsonschema import Draft202012Validator  # a tenth of a second, where a schema is asked for

    return Draft202012Validator(msgspec.json.decode(schema))
