"""Which column of a file is which of the model's: by its name, or by its place.

A model of a table without column names takes the columns in their order, with
or without the one that it predicts. What can't be matched is said once for the
file, and not in each of its rows.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence

from app.ml.dialect import Dialect
from app.ml.errors import Incompatible
from app.ml.schema import Schema

_PLACE = re.compile(r"column_(\d+)\Z")
SHOWN = 8


def matched(dialect: Dialect, schema: Schema) -> tuple[list[str], list[str]]:
    """The file's columns as the model calls them, and notes. Raises `Incompatible`."""
    columns = list(dialect.columns)
    if _by_place(schema) and schema.width:
        columns = _places(columns, schema)
    there = set(columns)
    twice = sorted({f.name for f in schema.features if columns.count(f.name) > 1})
    if twice:
        raise Incompatible(
            f"Two columns have the same name: {', '.join(twice[:SHOWN])}. Rename one of each pair."
        )
    absent = [feature for feature in schema.features if feature.name not in there]
    needed = [feature.name for feature in absent if not feature.optional]
    if needed:
        raise Incompatible(_lacking(needed, dialect))
    notes = [
        f"The file has no column {feature.name!r}: it counts as missing in every row."
        for feature in absent
    ]
    if dialect.delimiter and dialect.decimal != schema.decimal:
        notes.append(f"Numbers are read as {_written(dialect.decimal)}, other than in training.")
    return columns, notes


def _by_place(schema: Schema) -> bool:
    names = [*(feature.name for feature in schema.features), schema.target]
    return all(_PLACE.match(name) for name in names)


def _places(columns: Sequence[str], schema: Schema) -> list[str]:
    every = [f"column_{i}" for i in range(schema.width)]
    without = [name for name in every if name != schema.target]
    for names in (every, without):
        if len(columns) == len(names):
            return names
    raise Incompatible(
        f"The model learned from a table of {schema.width} columns without names, and this file "
        f"has {len(columns)}. Upload one with the same columns in the same order, with or without "
        "the one to predict."
    )


def _lacking(needed: Sequence[str], dialect: Dialect) -> str:
    shown = ", ".join(map(repr, needed[:SHOWN])) + (", …" if len(needed) > SHOWN else "")
    noun = "column" if len(needed) == 1 else "columns"
    told = f"The file has no {noun} {shown}, which the model needs."
    if not dialect.header:
        return f"{told} Its first line doesn't name the columns: put a line with their names there."
    close = difflib.get_close_matches(needed[0], list(dialect.columns)[:1000], 1)
    hint = f" Is {close[0]!r} meant for {needed[0]!r}?" if close else ""
    own = ", ".join(map(repr, dialect.columns[:SHOWN]))
    more = ", …" if len(dialect.columns) > SHOWN else ""
    return (
        f"{told}{hint} It has {own}{more}: name them as in the table that the model learned from."
    )


def _written(style: str) -> str:
    return f"1{style[1:] or ''}234{style[0]}5"
