"""`@projection` and `@reactor`: what follows the event store.

    @projection("sales", version=1, tables=[Sales])
    def sales(event, view):
        row = view.get(Sales, event.subject) or view.add(Sales(item=event.subject, pieces=0))
        row.pieces += event.data["pieces"]

A projection has rows and no effects, and may be built anew at any time. A
reactor has effects and no rows: what it returns goes through the outbox, once,
and it is never part of a rebuild.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from sqlmodel import SQLModel

from app.errors import Refused
from app.subscriptions.declaration import (
    check_function,
    place_of,
    refuse_name,
    refuse_types,
    same_function,
)

Kind = Literal["projection", "reactor"]
Function = Callable[..., Any]
CONSOLE = ("events", "runs")
"""The console's own read models."""


@dataclass(frozen=True)
class Declared:
    """What an author declared; `types` empty: every event. `on_error`: what a poison event does.

    `start`: where it begins when it is new.
    """

    name: str
    kind: Kind
    function: Function
    version: int = 1
    tables: tuple[type[SQLModel], ...] = ()
    types: tuple[str, ...] = ()
    emits: tuple[str, ...] = ()
    on_error: Literal["stop", "skip"] = "stop"
    start: Literal["earliest", "now"] = "earliest"


@dataclass
class Followers:
    """What the imported modules declare, by name."""

    declared: dict[str, Declared] = field(default_factory=dict)

    def add(self, one: Declared) -> None:
        if is_ours(one.name):
            raise Refused(f"{one.name} is a read model of the console: choose another name.")
        known = self.declared.get(one.name)
        if known and not same_function(known.function, one.function):
            raise Refused(
                f"two projections or reactors are called {one.name}: {place_of(known.function)} and"
                f" {place_of(one.function)}. Rename one of them."
            )
        for other in self.declared.values():
            shared = {_named(table) for table in one.tables} & {_named(it) for it in other.tables}
            if shared and other.name != one.name:
                raise Refused(
                    f"the projections {other.name} and {one.name} both keep {', '.join(sorted(shared))}: "
                    "a rebuild of one would drop the other's rows. Give each tables of its own."
                )
        self.declared[one.name] = one


def is_ours(name: str) -> bool:
    """Whether this is what a read model of the console is called."""
    return name in CONSOLE or name.startswith("penstock.")


FOLLOWERS = Followers()
"""Where `@projection` and `@reactor` register, as modules are imported."""


def projection(
    name: str,
    version: int = 1,
    tables: Sequence[type[SQLModel]] = (),
    *,
    types: Sequence[str] = (),
    on_error: Literal["stop", "skip"] = "stop",
    followers: Followers = FOLLOWERS,
) -> Callable[[Function], Function]:
    """Keep `tables` in step with the event store by a function `(event, view)`.

    A higher `version` is built beside the live one, and takes its place when it has caught up.
    """

    if callable(name):
        raise Refused('@projection: name it and its tables: @projection("sales", tables=[Sales])')
    where = f"@projection {name}"

    def register(function: Function) -> Function:
        _check(function, where, name, on_error)
        made = _listed(tables)
        if not made or not all(_is_table(one) for one in made):
            raise Refused(
                f"{where}: name its tables, as in tables=[Sales], each a class of SQLModel with table=True"
            )
        _check_references(made, where)
        if isinstance(version, bool) or not isinstance(version, int) or version < 1:
            raise Refused(f"{where}: version is a whole number from 1 on")
        wanted = _listed(types)
        refuse_types(wanted, where)
        one = Declared(name, "projection", function, version, made, wanted, on_error=on_error)
        followers.add(one)
        return function

    return register


def reactor(
    *types: str,
    emits: Sequence[str] = (),
    name: str | None = None,
    on_error: Literal["stop", "skip"] = "stop",
    start: Literal["earliest", "now"] = "now",
    followers: Followers = FOLLOWERS,
) -> Callable[[Function], Function]:
    """Answer events of the event store by a function `(event, view)`: the events that it returns are published.

    A new one begins with what is appended from then on, or by `start="earliest"` with the first event
    that there is; one that was deployed before goes on where it was.
    """

    if any(callable(one) for one in types):
        raise Refused('@reactor: name the types it answers, as in @reactor("item.sold", emits=[…])')

    def register(function: Function) -> Function:
        named = name or f"{function.__module__}.{function.__qualname__}"
        where = f"@reactor {named}"
        _check(function, where, named, on_error)
        if start not in ("earliest", "now"):
            raise Refused(f'{where}: start is "earliest" or "now"')
        declared = _listed(emits)
        refuse_types((*types, *declared), where)
        followers.add(
            Declared(named, "reactor", function, types=types, emits=declared, on_error=on_error,
                     start=start)
        )  # fmt: skip
        return function

    return register


def _check(function: Any, where: str, name: Any, on_error: Any) -> None:
    refuse_name(name, where)
    check_function(function, where, "its function", ("event", "view"))
    if on_error not in ("stop", "skip"):
        raise Refused(f'{where}: on_error is "stop" or "skip"')


def _check_references(tables: Sequence[Any], where: str) -> None:
    """Raises `Refused` for what the tables of a build beside the live one can't have, or be made with."""
    for one in tables:
        for told in getattr(one, "__sqlmodel_relationships__", {}):
            raise Refused(
                f"{where}: {one.__name__}.{told} is a Relationship, which the rows of a rebuild haven't. Take it "
                "out, keep the key (foreign_key=…), and read the other row by view.get or view.model."
            )
    refers = {
        _named(one): {key.target_fullname.rpartition(".")[0] for key in one.__table__.foreign_keys}
        - {_named(one)}
        for one in tables
    }
    while refers:
        referred = set().union(*refers.values())
        free = [name for name, to in refers.items() if name not in referred or not to & set(refers)]
        if not free:
            break
        refers = {name: to for name, to in refers.items() if name not in free}
    if refers:
        raise Refused(
            f"{where}: the foreign keys of {', '.join(sorted(refers))} go round in a circle, so none of them can be "
            "made or dropped first. Leave one key out: only this function writes these tables."
        )


def _listed(given: Any) -> tuple[Any, ...]:
    """One may be given as itself: a text is not a list of its letters."""
    return (given,) if isinstance(given, str | type) else tuple(given)


def _is_table(one: Any) -> bool:
    return isinstance(one, type) and issubclass(one, SQLModel) and hasattr(one, "__table__")


def _named(table: Any) -> str:
    return str(table.__tablename__)
