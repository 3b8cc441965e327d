"""A build of a projection: begun, left, and led past an event. In the transaction of whoever does it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from sqlmodel import Session, SQLModel

from app.cqrs import stopping, tables
from app.cqrs.declaration import Declared
from app.store import followers
from app.store.followers import BUILDING, FollowerRow

NOTED = 100
"""Events left out that a build remembers."""


def begin(
    session: Session, declared: Declared, build: int, state: str, now: float, position: int = 0
) -> None:
    """Paused where the live one is: an operator's pause outlives a deploy."""
    paused = any(row.paused for row in followers.builds(session, declared.name))
    followers.begin(
        session, declared.name, build, declared.kind, declared.version, state,
        table_names(declared), now, position, paused,
    )  # fmt: skip


def table_names(declared: Declared) -> list[str]:
    return [str(one.__tablename__) for one in declared.tables]


def keepers(session: Session, names: Sequence[str], but: str) -> list[FollowerRow]:
    """The builds of others that have one of these tables."""
    return [
        row
        for row in followers.builds(session)
        if row.name != but and not set(row.tables or ()).isdisjoint(names)
    ]


def next_number(session: Session, name: str, names: Sequence[str]) -> int:
    """For a build of these tables: the names of those beside the live ones end with it."""
    known = [*followers.builds(session, name), *keepers(session, names, name)]
    return max((row.build for row in known), default=0) + 1


def unlike(row: FollowerRow, declared: Declared) -> str | None:
    """How its tables are others than the code's, in words; None where they are the same."""
    has, wanted = list(row.tables or ()), table_names(declared)
    if set(has) == set(wanted):
        return None
    return f"they are {', '.join(has)}, and the code has {', '.join(wanted)}"


def start(session: Session, row: FollowerRow, declared: Declared) -> None:
    """Before its first event it takes the tables that the code has, empty.

    What lies under their names is of another build, or of a release that kept them once.
    """
    wanted, has = table_names(declared), list(row.tables or ())
    if row.state == BUILDING:
        tables.drop(session.connection(), [f"{one}__{row.build}" for one in {*wanted, *has}])
    else:
        tables.empty(session.connection(), [one for one in wanted if one not in has])
    row.tables = wanted
    session.add(row)


def leave(session: Session, row: FollowerRow) -> None:
    """A build that nobody goes on with; the tables that it had beside the live ones go with it."""
    if row.state == BUILDING:
        tables.drop(session.connection(), [f"{one}__{row.build}" for one in row.tables])
    session.delete(row)


def left_behind(session: Session, had: Iterable[str], declared: Declared) -> list[str]:
    """The tables that a version before had and nobody has any more: no projection, and no class of the code.

    Of a table that the code still has a class for nobody can tell whether other code writes it by now.
    """
    left = set(had) - set(table_names(declared)) - set(_of_classes(SQLModel))
    for row in keepers(session, list(left), declared.name):
        left -= set(row.tables)
    return sorted(left)


def _of_classes(base: type) -> Iterator[str]:
    """The names of the tables that any imported class stands for."""
    one: Any
    for one in base.__subclasses__():
        if (table := one.__dict__.get("__table__")) is not None:
            yield table.name
        yield from _of_classes(one)


def skip(row: FollowerRow, position: int, type: str, error: str) -> None:
    """Leave this event out, and remember that: its type says whether its error may be shown to everybody."""
    noted = [*(row.skipped or []), {"position": position, "type": type, "error": error}]
    row.skipped, row.position = noted[-NOTED:], position
    stopping.no_more(row)
