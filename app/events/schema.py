"""Event types with a schema: a pydantic class, a version, and upcasters.

`@event_type("dataset.uploaded")` registers a class, `@upcast("dataset.uploaded", 1)`
a function from version 1's plain data to version 2's. Data is checked when it
is published and read as an object of the newest class, however old it is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any, Literal

from pydantic import BaseModel, ValidationError

from app.errors import NewerData, Refused
from app.events import sensitive
from app.events.topics import check_topic, check_type, first_segment

Tracking = Literal["run", "packed"]
_URN = "urn:penstock:"


def schema_urn(name: str, version: int) -> str:
    """The `dataschema` attribute of data in this version of a type."""
    return f"{_URN}{name}:{version}"


def version_in(dataschema: str | None) -> int | None:
    """The version that a `dataschema` names; None where it isn't one of ours."""
    if dataschema and dataschema.startswith(_URN):
        number = dataschema.rpartition(":")[2]
        return int(number) if number.isdigit() else None
    return None


@dataclass(frozen=True)
class EventType:
    """One version of a type: its class, its topic, and how much is kept of its deliveries."""

    name: str
    version: int
    topic: str
    tracking: Tracking
    model: type[BaseModel]

    @property
    def doc(self) -> str:
        return (self.model.__doc__ or "").strip()

    @cached_property
    def urn(self) -> str:
        return schema_urn(self.name, self.version)

    @cached_property
    def check(self) -> Callable[[Any], Any]:
        """From plain data to an object of the class; raises `pydantic.ValidationError`."""
        return self.model.__pydantic_validator__.validate_python

    def json_schema(self) -> dict[str, Any]:
        return self.model.model_json_schema()


@dataclass
class EventTypes:
    """The types that this process knows by class."""

    versions: dict[str, dict[int, EventType]] = field(default_factory=dict)
    upcasters: dict[tuple[str, int], Callable[[Any], Any]] = field(default_factory=dict)
    by_class: dict[type, EventType] = field(default_factory=dict)
    newest: dict[str, EventType] = field(default_factory=dict)

    def register(self, event_type: EventType) -> None:
        versions = self.versions.setdefault(event_type.name, {})
        known = versions.get(event_type.version)
        if known and _identity(known.model) != _identity(event_type.model):
            raise Refused(
                f"{event_type.name} version {event_type.version} is registered twice: by {_identity(known.model)}"
                f" and by {_identity(event_type.model)}. Give one of them another name or version."
            )
        versions[event_type.version] = event_type
        self.by_class[event_type.model] = event_type
        self.newest[event_type.name] = versions[max(versions)]

    def of_object(self, value: Any) -> EventType | None:
        """The type whose class this object is of."""
        return self.by_class.get(type(value))

    def current(self, name: str) -> EventType | None:
        """The newest version of a type, or None where it has no schema here."""
        return self.newest.get(name)

    def read(self, name: str, dataschema: str | None, data: Any) -> Any:
        """Data as the newest class: upcast step by step, then checked.

        Raises `pydantic.ValidationError` where it doesn't fit, `Refused` where an upcaster is missing, and
        `NewerData` where its version is newer than the class: fields that both have may mean something else.
        """
        target = self.newest.get(name)
        if target is None:
            return data
        # What comes from a stream is a dict; asking pydantic's classes costs as much as checking it.
        if type(data) is not dict and isinstance(data, target.model):
            return data
        if dataschema == target.urn:
            return target.check(data)
        version = version_in(dataschema) or target.version
        if version > target.version:
            raise NewerData(name, version, target.version)
        while version < target.version:
            step = self.upcasters.get((name, version))
            if step is None:
                raise Refused(
                    f"{name} version {version} has no upcaster: write @upcast({name!r}, {version})"
                )
            data = step(data)
            version += 1
        return target.check(data)


def _identity(made: Any) -> str:
    return f"{made.__module__}.{made.__qualname__}"


TYPES = EventTypes()
"""Where the decorators register, as modules are imported."""


def event_type(
    name: str,
    *,
    version: int = 1,
    topic: str | None = None,
    tracking: Tracking = "run",
    types: EventTypes = TYPES,
) -> Callable[[type[BaseModel]], type[BaseModel]]:
    """Register a pydantic class as the schema of a type.

    `tracking` says how much is kept of its deliveries: `run`, a row for each
    (the default), or `packed`, counts and only what failed, for types of a high rate.
    """
    if wrong := check_type(name):
        raise Refused(f"{name!r}: {wrong}")
    _check_version(version, f"@event_type {name}: version")

    def register(model: type[BaseModel]) -> type[BaseModel]:
        if not (isinstance(model, type) and issubclass(model, BaseModel)):
            raise Refused(
                f"@event_type {name} is for a class of pydantic: class {getattr(model, '__name__', 'Sold')}(BaseModel)"
            )
        types.register(
            EventType(name, version, check_topic(topic or first_segment(name)), tracking, model)
        )
        return model

    return register


def upcast(
    name: str, from_version: int, *, types: EventTypes = TYPES
) -> Callable[[Callable], Callable]:
    """Register a function from the plain data of `from_version` to that of the next version."""
    where = f"@upcast {name} {from_version}"
    _check_version(from_version, f"{where}: the version that it reads")

    def register(step: Callable[[Any], Any]) -> Callable[[Any], Any]:
        known = types.upcasters.get((name, from_version))
        if known and _identity(known) != _identity(step):
            raise Refused(
                f"{where}: {_identity(known)} and {_identity(step)} both are. Keep one of them."
            )
        types.upcasters[name, from_version] = step
        return step

    return register


def _check_version(version: Any, what: str) -> None:
    if isinstance(version, bool) or not isinstance(version, int) or version < 1:
        raise Refused(f"{what} is a whole number from 1 on, not {version!r}")


def field_problems(error: ValidationError, model: type[BaseModel]) -> list[dict[str, str]]:
    """Each field at fault with what was expected, for the producer.

    What was given is repeated, but for fields that are marked: errors go where masked data may not.
    """
    schema = _schema_with_marks(model)
    found = []
    for detail in error.errors(include_url=False):
        path = ".".join(map(str, ("data", *detail["loc"])))
        told = detail["type"] != "missing" and (
            schema is None or sensitive.marked_at(schema, detail["loc"]) is False
        )
        got = f", got {_short(detail['input'])}" if told else ""
        found.append({"field": path, "problem": f"{detail['msg']}{got}"})
    return found


@lru_cache(maxsize=512)
def _schema_with_marks(model: type[BaseModel]) -> Any:
    """The class's JSON Schema; None where it marks nothing."""
    schema = model.model_json_schema()
    return schema if sensitive.marks_any(schema) else None


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
