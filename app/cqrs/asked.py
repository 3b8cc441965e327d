"""What is asked of a command: whether it can be, who may, and which of two askings is the same."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from pydantic import BaseModel, ValidationError

from app.cqrs.command import Command
from app.errors import InvalidCommand, NotAllowed, NotFound, Refused
from app.events.ids import derived_id, uuid7
from app.events.schema import field_problems

LONGEST_KEY = 200


def validated(one: Command, asked: Any) -> BaseModel:
    """As the author's model. Raises `InvalidCommand`, with every field that is wrong."""
    try:
        return one.takes.model_validate(asked)
    except ValidationError as error:
        raise invalid(one.name, field_problems(error, one.takes)) from error


def invalid(name: str, problems: list[dict[str, str]]) -> InvalidCommand:
    found = [{**one, "field": one["field"].removeprefix("data.")} for one in problems]
    faults = "; ".join(f"{one['field']}: {one['problem']}" for one in found)
    return InvalidCommand(f"{name}: {faults}", found)


def absent(name: str) -> NotFound:
    return NotFound(
        f"There is no command {name!r}: `python -m app commands list` shows those that a worker knows."
    )


def refuse_level(name: str, level: str, actor: str, may: Collection[str]) -> None:
    """Raises `NotAllowed` where a level isn't among those that the actor has."""
    if isinstance(may, str):
        raise TypeError(f"may={may!r}: give the levels as a list, as in may=[{may!r}].")
    if level not in may:
        raise NotAllowed(f"{actor} may not give {name}: it takes the role {level}.")


def checked_key(key: str | None) -> str | None:
    """An idempotency key. Raises `Refused` where it can't be one."""
    if key is not None and not (0 < len(key) <= LONGEST_KEY and key.isprintable()):
        raise Refused(f"An idempotency key is printable, and has 1 to {LONGEST_KEY} characters.")
    return key


def id_of(name: str, actor: str, key: str | None) -> str:
    """The same for the same key of an actor; a new one where there is no key."""
    return derived_id("command", name, actor, key) if key else uuid7()
