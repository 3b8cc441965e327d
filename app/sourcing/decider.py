"""Deciders: state without a class, as two pure functions and a start.

`decide(command, state)` gives the events that a command leads to, or raises; `evolve(state, event)`
gives the state after one more event. Neither changes anything, so both are tested as they are.

    counter = Decider("counter", start=0, decide=decide, evolve=evolve)
    repository.decide(counter, "hits", Add(3))
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, is_dataclass, replace
from functools import cached_property
from typing import Any, Generic, TypeVar

import msgspec

from app.events.event import Event, plain
from app.events.schema import TYPES
from app.sourcing.fingerprint import fingerprint
from app.sourcing.kind import KINDS, Kind, check_category

State = TypeVar("State")
Command = TypeVar("Command")


@dataclass(frozen=True)
class Held(Generic[State]):
    """A decider's state with the version it stands for."""

    id: str
    version: int
    state: State


@dataclass(frozen=True)
class Decider(Generic[State, Command]):
    category: str
    start: State
    decide: Callable[[Command, State], Sequence[Event]]
    evolve: Callable[[State, Event], State]
    snapshot_every: int | None = None

    def __post_init__(self) -> None:
        check_category(self.category)
        KINDS.register(self.kind)

    @cached_property
    def kind(self) -> Kind[Held[State]]:
        return Kind(
            category=self.category,
            code=f"{self.evolve.__module__}.{getattr(self.evolve, '__qualname__', self.category)}",
            start=lambda id: Held(id, 0, copy.deepcopy(self.start)),
            step=self._step,
            dump=_dump,
            load=self._load,
            parts=lambda held: {"state": held.state},
            hints=lambda: {"state": type(self.start)},
            fingerprint=lambda: self._fingerprint,
            snapshot_every=self.snapshot_every,
        )

    def _step(self, held: Held[State], event: Event) -> Held[State]:
        return replace(held, version=held.version + 1, state=self.evolve(held.state, event))

    def _load(self, id: str, version: int, values: dict[str, Any]) -> Held[State]:
        wanted = type(self.start)
        plain_values = values if _has_fields(self.start) else values["state"]
        return Held(id, version, msgspec.convert(plain_values, wanted))

    @cached_property
    def _fingerprint(self) -> str:
        """Of all types and upcasters as well: `evolve` doesn't say whose events it reads."""
        types = {name: one.model for name, one in sorted(TYPES.newest.items())}
        upcasters = dict(sorted(TYPES.upcasters.items()))
        homes = [self.evolve.__module__, type(self.start).__module__]
        return fingerprint(Decider, self.evolve, self.start, types, upcasters, homes=homes)


def _dump(held: Held[Any]) -> dict[str, Any]:
    values = msgspec.to_builtins(held.state, enc_hook=plain, str_keys=True)
    return values if _has_fields(held.state) else {"state": values}


def _has_fields(state: Any) -> bool:
    return is_dataclass(state) or isinstance(state, dict | msgspec.Struct)
