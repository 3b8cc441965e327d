"""How a class of rows is written: its columns, its key, and whether its new rows may be held back.

They may where writing them later and all at once is the same to the author: a table without foreign
keys, relationships, inheritance or hooks of its own. Rows of such a table are also read without
SQLAlchemy's `get`, which costs three times as much.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, ColumnElement, Select, Table, bindparam, inspect, select, tuple_
from sqlalchemy.orm import ClassManager, make_transient_to_detached
from sqlmodel import Session

_HOOKS = ("before_insert", "after_insert")
_AT_ONCE = 500
_MISSING = object()
_KEPT = "penstock shape"


@dataclass(frozen=True)
class Shape:
    """`names` are the attributes of its `columns`; `key` those of the primary key.

    `given_out` is the key that the database gives out; `defaulted` are attributes that SQLAlchemy
    fills in where they are None.
    """

    manager: ClassManager[Any]
    table: Table
    names: tuple[str, ...]
    columns: tuple[Column[Any], ...]
    key: tuple[str, ...]
    given_out: str | None
    defaulted: frozenset[str]
    by_key: Select[Any]
    by_keys: Select[Any]
    may_be_held: bool

    def find(self, session: Session, key: tuple[Any, ...]) -> Any:
        """The row with this key, as one of the session's; or None."""
        asked = {f"key{number}": value for number, value in enumerate(key)}
        found = session.connection().execute(self.by_key, asked).first()
        return None if found is None else self.made(session, found)

    def find_values(
        self, session: Session, keys: Sequence[tuple[Any, ...]]
    ) -> Iterator[tuple[tuple[Any, ...], Sequence[Any]]]:
        """Of the rows with these keys that are there: the key as it was asked for, and what `made` takes."""
        wanted = {key: [type(value) for value in key] for key in keys}
        places = [self.names.index(name) for name in self.key]
        for begin in range(0, len(keys), _AT_ONCE):
            some = keys[begin : begin + _AT_ONCE]
            asked = some if len(places) > 1 else [key[0] for key in some]
            for found in session.connection().execute(self.by_keys, {"keys": asked}):
                key = tuple(found[place] for place in places)
                if wanted.get(key) == [type(value) for value in key]:
                    yield key, found

    def made(self, session: Session, found: Sequence[Any]) -> Any:
        """The values of all columns as one of the session's rows."""
        row: Any = self.manager.new_instance()
        row.__dict__.update(zip(self.names, found, strict=True))
        make_transient_to_detached(row)
        session.add(row)
        return row

    def key_of(self, row: Any) -> tuple[Any, ...]:
        values = row.__dict__
        return tuple([values.get(name) for name in self.key])

    def is_unnumbered(self, row: Any) -> bool:
        """Whether the database gives out its key."""
        return self.given_out is not None and row.__dict__[self.given_out] is None

    def without_number(self, values: Sequence[Any]) -> list[Any]:
        """Of what there is for each column, all but that of the key given out."""
        pairs = zip(self.names, values, strict=True)
        return [value for name, value in pairs if name != self.given_out]

    def values_of(self, row: Any) -> list[Any] | None:
        """A value for each column; None where SQLAlchemy has to fill something in."""
        held = row.__dict__
        values = [held.get(name, _MISSING) for name in self.names]
        if _MISSING in values:
            return None
        if any(held[name] is None for name in self.defaulted):
            return None
        return values


def shape_of(mapped: Any) -> Shape:
    """Of a mapped class; looked at once, and kept with its table, so that it ends when they do."""
    place = _KEPT, mapped
    kept = inspect(mapped).local_table.info
    if place not in kept:
        kept[place] = _look(mapped)
    found: Shape = kept[place]
    return found


def _look(mapped: Any) -> Shape:
    mapper = inspect(mapped)
    table = mapper.local_table
    attributes = list(mapper.column_attrs)
    columns = tuple(attribute.columns[0] for attribute in attributes)
    names = tuple(attribute.key for attribute in attributes)
    given_out = table.autoincrement_column
    by_column = dict(zip(columns, names, strict=True))
    by_key = select(*columns)
    for number, column in enumerate(mapper.primary_key):
        by_key = by_key.where(column == bindparam(f"key{number}", type_=column.type))
    return Shape(
        mapper.class_manager,
        table,
        names,
        columns,
        tuple(by_column[column] for column in mapper.primary_key),
        None if given_out is None else by_column.get(given_out),
        frozenset(
            name
            for column, name in by_column.items()
            if column is not given_out and (column.default or column.server_default) is not None
        ),
        by_key,
        select(*columns).where(_any_of(mapper.primary_key)),
        may_be_held=(
            mapper.inherits is None
            and mapper.polymorphic_on is None
            and mapper.version_id_col is None
            and len(names) == len(list(mapper.attrs)) == len(table.columns)
            and all(getattr(column, "table", None) is table for column in columns)
            and not table.foreign_keys
            and not any(list(getattr(mapper.dispatch, hook)) for hook in _HOOKS)
            and not list(mapper.class_manager.dispatch.load)
        ),
    )


def _any_of(key: Sequence[Column[Any]]) -> ColumnElement[bool]:
    """The key is one of the parameter `keys`: values, or tuples where it has several columns."""
    of = key[0] if len(key) == 1 else tuple_(*key)
    return of.in_(bindparam("keys", expanding=True))
