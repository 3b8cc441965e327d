"""Aggregates as plain classes: fields with start values, methods that decide, methods that apply.

    class Basket(Aggregate):
        items: list[str] = []

        def add(self, item):                      # decides: checks, then records what happened
            if item in self.items:
                raise Refused(f"{item} is in the basket already")
            self.record("item.added", {"item": item})

        @applies("item.added")
        def _added(self, event):                  # applies: changes fields, and never refuses
            self.items.append(event.data["item"])

A new event is applied as it is recorded, so a decision sees what the one before did. It is
kept when the aggregate is saved (`repository.py`). Nothing but an applying method may change a
field: what isn't in the events is not there the next time.
"""

from __future__ import annotations

import reprlib
from collections.abc import Callable
from functools import cache
from typing import Any, ClassVar

from app.errors import PenstockError, Refused
from app.events.event import PRIVATE, Event
from app.events.schema import TYPES
from app.sourcing import fields
from app.sourcing.fingerprint import fingerprint
from app.sourcing.kind import KINDS, Kind, check_category
from app.sourcing.recording import as_replayed
from app.sourcing.written import parts_of

Applying = Callable[[Any, Event], None]

_SETTINGS = ("category", "snapshot_every", "private")
_OWN = ("id", "version", "pending")
"""What a class says of itself, and what each object holds beside its fields."""


class NotApplied(PenstockError):
    """An aggregate has no method for an event of its own."""


def applies(*types: str) -> Callable[[Applying], Applying]:
    """The method applies events of these types: it changes fields, and never refuses."""

    def mark(method: Applying) -> Applying:
        method.applies = types  # type: ignore[attr-defined]
        return method

    return mark


class Aggregate:
    """Base of aggregates. `category` (by default the class's name in small letters) begins its streams'
    names; with `snapshot_every`, its fields are kept once for so many events. Events of a `private`
    one stay in the store: the relay doesn't publish them (they carry the extension `private`).

    `id` is its own name, `version` the number of its events, `pending` those not yet saved.
    """

    category: ClassVar[str] = ""
    snapshot_every: ClassVar[int | None] = None
    private: ClassVar[bool] = False
    _fields: ClassVar[dict[str, Any]] = {}
    _methods: ClassVar[dict[str, Applying]] = {}

    def __init__(self, id: str):
        self.id = id
        self.version = 0
        self.pending: list[Event] = []
        self.__dict__.update(fields.fresh(self._fields))

    def __init_subclass__(cls, **kwargs: Any):
        super().__init_subclass__(**kwargs)
        cls.category = check_category(cls.__dict__.get("category") or cls.__name__.lower())
        cls._fields = fields.declared(cls, Aggregate, _SETTINGS, _OWN)
        cls._methods = _methods_of(cls)
        KINDS.register(cls.kind())

    def __repr__(self) -> str:
        told = (f"{name}={reprlib.repr(getattr(self, name, None))}" for name in self._fields)
        return f"<{type(self).__name__} {self.id} at version {self.version}: {', '.join(told)}>"

    def record(self, event: Any, data: Any = None, **attributes: Any) -> Event:
        """Record what happened: an `Event`, a type with its data, or an object of an event type."""
        made = _made(event, data, attributes)
        made = made if made.subject else made.but(subject=self.id)
        if self.private:
            made = made.but(extensions={**made.extensions, PRIVATE: True})
        self._apply(made)
        self.pending.append(made)
        return made

    def _apply(self, event: Event) -> None:
        method = self._methods.get(event.type)
        if method is None:
            raise NotApplied(
                f"{type(self).__name__} has no method for {event.type}: write one with "
                f'@applies("{event.type}"). It is event {self.version + 1} of {self.id}.'
            )
        method(self, event)
        self.version += 1

    @property
    def saved_version(self) -> int:
        """The version without what is pending: what the store must be at."""
        return self.version - len(self.pending)

    @classmethod
    @cache
    def kind(cls) -> Kind[Any]:
        """What the repository works with."""
        return Kind(
            category=cls.category,
            code=f"{cls.__module__}.{cls.__qualname__}",
            start=cls,
            step=cls._step,
            dump=lambda one: fields.dump({name: getattr(one, name) for name in cls._fields}),
            load=cls._load,
            parts=lambda one: parts_of(one, *_OWN),
            hints=lambda: {name: fields.hints_of(cls)[name] for name in cls._fields},
            fingerprint=cls._fingerprint,
            snapshot_every=cls.snapshot_every,
        )

    @staticmethod
    def _step(one: Aggregate, event: Event) -> Aggregate:
        one._apply(event)
        return one

    @classmethod
    def _load(cls, id: str, version: int, values: dict[str, Any]) -> Aggregate:
        one = cls(id)
        one.__dict__.update(fields.load(fields.hints_of(cls), values))
        one.version = version
        return one

    @classmethod
    @cache
    def _fingerprint(cls) -> str:
        types = [TYPES.newest[name].model for name in cls._methods if name in TYPES.newest]
        upcasters = {key: step for key, step in TYPES.upcasters.items() if key[0] in cls._methods}
        return fingerprint(cls, cls._methods, cls._fields, types, upcasters, homes=[cls.__module__])


def _methods_of(cls: type) -> dict[str, Applying]:
    """The applying methods by their types: a subclass's own, also where it leaves `@applies` out."""
    methods: dict[str, Applying] = {}
    for base in reversed(cls.__mro__):
        for type, name, method in _applying(base):
            own = getattr(cls, name)
            methods[type] = method if hasattr(own, "applies") else own
    return methods


def _applying(cls: type) -> list[tuple[str, str, Applying]]:
    """The types that one class applies, with the method's name. Raises `Refused` where two apply the same."""
    found = [
        (type, name, one) for name, one in vars(cls).items() for type in getattr(one, "applies", ())
    ]
    types = [type for type, *_ in found]
    if twice := next((type for type in types if types.count(type) > 1), None):
        raise Refused(f"{cls.__name__} has two methods for {twice}: let one of them apply it.")
    return found


def _made(event: Any, data: Any, attributes: dict[str, Any]) -> Event:
    """The event as a replay will see it: its data of the type's class, or plain JSON values."""
    if isinstance(event, Event):
        made = event
    elif isinstance(event, str):
        made = Event(type=event, data=data, **attributes)
    elif known := TYPES.of_object(event):
        return Event(type=known.name, data=event, **attributes)
    else:
        raise Refused(
            f"{type(event).__name__} is no event type: register it with @event_type, or give the "
            "type's name and its data."
        )
    return as_replayed(made)
