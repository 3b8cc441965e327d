"""Figures by ten minutes, hours and four hours, made of those that were there.

Until here minutes became ten minutes and hours with age, in the same tables.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from alembic import op

from app.store.coarse import whose

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

STEPS = (10, 60, 240)
SUMS = ("succeeded", "retrying", "parked", "cancelled", "excluded", "waited", "worked")
MOST = ("waited_max", "worked_max")
HISTOGRAMS = ("waited_in", "worked_in")
COUNTS, TIMES = SUMS[:5], ("waited", "waited_max", "worked", "worked_max")
FIGURES = (*SUMS, *MOST, *HISTOGRAMS)
Rows = dict[tuple[int, int], list[Any]]


def upgrade() -> None:
    op.create_table(
        "coarse_rollups",
        sa.Column("minute", sa.Integer(), nullable=False),
        *(sa.Column(name, sa.Integer(), nullable=False) for name in COUNTS),
        *(sa.Column(name, sa.Double(), nullable=False) for name in TIMES),
        *(sa.Column(name, sa.Text(), nullable=True) for name in HISTOGRAMS),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("whose", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("whose", "step", "minute"),
    )
    op.create_table(
        "coarse_lags",
        sa.Column("minute", sa.Integer(), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("whose", sa.String(), nullable=False),
        sa.Column("events", sa.Integer(), nullable=True),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("whose", "step", "minute"),
    )
    for kind, table in (("subscription", "rollups"), ("worker", "worker_rollups")):
        of_all: Rows = {}
        for name in _names(table, kind):
            wide: Rows = {}
            for minute, *row in _rows(table, kind, name, FIGURES):
                for step in STEPS:
                    _add(wide, (step, minute // step * step), row)
                if kind == "subscription":
                    for step in (1, *STEPS):
                        _add(of_all, (step, minute // step * step), row)
            _write("coarse_rollups", FIGURES, whose(kind, name), wide)
        if of_all:
            _write("coarse_rollups", FIGURES, "all", of_all)
    worst: Rows = {}
    for name in _names("lags", "subscription"):
        wide = {}
        for minute, *row in _rows("lags", "subscription", name, ("events", "seconds")):
            for step in STEPS:
                _worse(wide, (step, minute // step * step), row)
            for step in (1, *STEPS):
                _worse(worst, (step, minute // step * step), row)
        _write("coarse_lags", ("events", "seconds"), whose("subscription", name), wide)
    _write("coarse_lags", ("events", "seconds"), "all", worst)


def downgrade() -> None:
    op.drop_table("coarse_lags")
    op.drop_table("coarse_rollups")


def _names(table: str, name: str) -> list[str]:
    found = op.get_bind().execute(sa.text(f"SELECT DISTINCT {name} FROM {table}"))
    return [row[0] for row in found]


def _rows(table: str, name: str, who: str, columns: tuple[str, ...]) -> Iterator[Any]:
    sql = f"SELECT minute, {', '.join(columns)} FROM {table} WHERE {name} = :who"
    for row in op.get_bind().execute(sa.text(sql), {"who": who}):
        yield [json.loads(value) if isinstance(value, str) else value for value in row]


def _add(rows: Rows, place: tuple[int, int], row: list[Any]) -> None:
    there = rows.get(place)
    if there is None:
        rows[place] = [dict(v) if isinstance(v, dict) else v for v in row]
        return
    for n, name in enumerate(FIGURES):
        if name in HISTOGRAMS:
            counts: dict[str, int] = defaultdict(int, there[n] or {})
            for bucket, count in (row[n] or {}).items():
                counts[bucket] += count
            there[n] = dict(counts)
        else:
            there[n] = max(there[n], row[n]) if name in MOST else there[n] + row[n]


def _worse(rows: Rows, place: tuple[int, int], row: list[Any]) -> None:
    there = rows.setdefault(place, list(row))
    known = [events for events in (there[0], row[0]) if events is not None]
    rows[place] = [max(known) if known else None, max(there[1], row[1])]


def _write(table: str, columns: tuple[str, ...], who: str, rows: Rows) -> None:
    if not rows:
        return
    names = ("whose", "step", "minute", *columns)
    marks = ", ".join(f":{name}" for name in names)
    written = [
        dict(zip(names, (who, *place, *map(_text, row)), strict=True))
        for place, row in rows.items()
    ]
    sql = f"INSERT INTO {table} ({', '.join(names)}) VALUES ({marks})"
    op.get_bind().execute(sa.text(sql), written)


def _text(value: Any) -> Any:
    return json.dumps(value, separators=(",", ":")) if isinstance(value, dict) else value
