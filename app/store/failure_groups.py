"""Groups of failures: counters that are kept as letters come and go, and a group's life.

A group is `open`; a person acknowledges it, or has it ignored for a time or until it
happens more than so many times a minute; it is `resolved` when none of its letters is
parked or being sent any more, and open again when it happens again. The counters are
kept in the transaction that changes the letters, under one lock, so they are never
counted anew: a page on 100,000 dead letters reads a few rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Index
from sqlmodel import Field, SQLModel

from app.store.bulk import Bulk
from app.store.columns import Key, LongText, Moment
from app.store.moments import iso

LOCK = 0x70656E0A
"""Held by whoever changes the state of dead letters, from before their rows are touched."""
LIVES = ("open", "acknowledged", "ignored", "resolved")
MINUTE, HOUR = 60, 3600
_COUNTED = ("parked", "replaying")


class FailureGroup(SQLModel, table=True):
    """`error` and `example` (a dead letter) are the newest; `seen` counts every time."""

    __tablename__ = "failure_groups"
    __table_args__ = (
        Index("failure_groups_by_subscription", "subscription"),
        Index("failure_groups_by_last", "state", "last"),
    )

    id: str = Field(primary_key=True, sa_type=Key)
    subscription: str = Field(sa_type=Key)
    type: str = Field(sa_type=Key)
    reason: str = Field(sa_type=Key)
    title: str = Field(sa_type=LongText)
    error: str = Field(sa_type=LongText)
    frame: str = Field(sa_type=LongText)
    example: str = Field(sa_type=Key)
    first: float = Field(sa_type=Moment)
    last: float = Field(sa_type=Moment)
    seen: int
    parked: int
    replaying: int
    state: str = Field(sa_type=Key)
    state_by: str | None = Field(default=None, sa_type=Key)
    state_at: float | None = Field(default=None, sa_type=Moment)
    note: str = Field(default="", sa_type=LongText)
    ignored_until: float | None = Field(default=None, sa_type=Moment)
    ignored_above: int | None = None
    reopened: int = 0
    first_code: str | None = Field(default=None, sa_type=Key)
    last_code: str | None = Field(default=None, sa_type=Key)
    last_model: str | None = Field(default=None, sa_type=Key)


class FailureCount(SQLModel, table=True):
    """How often a group happened in a minute, and in an hour (numbered from 1970)."""

    __tablename__ = "failure_counts"
    __table_args__ = (Index("failure_counts_by_time", "span", "at"),)

    group_id: str = Field(primary_key=True, sa_type=Key)
    span: int = Field(primary_key=True)
    at: int = Field(primary_key=True)
    count: int


_COLUMNS = tuple(FailureGroup.__table__.columns.keys())  # type: ignore[attr-defined]


@dataclass(frozen=True)
class Occurrence:
    """A delivery was parked: a letter as it is now, and the newest error of its attempts."""

    group: str
    at: float
    letter: Mapping[str, Any]
    error: str


Moves = Counter[tuple[str, str]]
"""How many letters more (or fewer) a group has in a state: (group, state) to a number."""


def apply(
    bulk: Bulk, occurrences: Sequence[Occurrence], moves: Moves, now: float, by: str = ""
) -> None:
    """Count what happened; `by` is who closed what was closed. The caller holds LOCK."""
    touched = {group for group, _ in moves} | {one.group for one in occurrences}
    if not touched:
        return
    rows = _read(bulk, touched)
    minutes = _count(bulk, occurrences)
    for one in sorted(occurrences, key=lambda one: one.at):
        _happened(rows, one, minutes)
    for (group, state), number in moves.items():
        if state in _COUNTED and group in rows:
            rows[group][state] += number
    for row in rows.values():
        if row["state"] != "resolved" and row["parked"] + row["replaying"] <= 0:
            row |= {"state": "resolved", "state_by": by or None, "state_at": now}
            row |= {"ignored_until": None, "ignored_above": None}
    ordered = [tuple(rows[id][name] for name in _COLUMNS) for id in sorted(rows)]
    changed = ", ".join(f"{name} = excluded.{name}" for name in _COLUMNS[1:])
    bulk.insert(FailureGroup, _COLUMNS, ordered, f"ON CONFLICT (id) DO UPDATE SET {changed}")


def moved(bulk: Bulk, condition: str, *parameters: Any) -> Moves:
    """What leaves its state when the dead letters of a condition change theirs."""
    rows = bulk.rows(
        f"SELECT group_id, state, COUNT(*) FROM dead_letters WHERE {condition}"
        " GROUP BY group_id, state",
        *parameters,
    )
    return Counter({(group, state): -number for group, state, number in rows})


def arrived(left: Moves, state: str) -> Moves:
    """The same with the letters in their new state."""
    moves = Counter(left)
    for (group, _), number in left.items():
        moves[group, state] -= number
    return moves


def life(row: Mapping[str, Any], now: float) -> str:
    """Its state; what was ignored for a time that is over is open."""
    until = row["ignored_until"]
    if row["state"] == "ignored" and until is not None and until <= now:
        return "open"
    return str(row["state"])


def show(row: Mapping[str, Any], now: float) -> dict[str, Any]:
    """A group as people see it; `count` is how many of it are parked now."""
    state = life(row, now)
    ignored = state == "ignored"
    return {
        "id": row["id"],
        "title": row["title"],
        "error": row["error"],
        "frame": row["frame"],
        "subscription": row["subscription"],
        "type": row["type"],
        "reason": row["reason"],
        "example": row["example"],
        "count": row["parked"],
        "replaying": row["replaying"],
        "seen": row["seen"],
        "first": iso(row["first"]),
        "last": iso(row["last"]),
        "state": state,
        "by": row["state_by"],
        "at": iso(row["state_at"]),
        "note": row["note"],
        "until": iso(row["ignored_until"]) if ignored else None,
        "above": row["ignored_above"] if ignored else None,
        "reopened": row["reopened"],
        "code": {"first": row["first_code"], "last": row["last_code"]},
        "model": row["last_model"],
    }


def _read(bulk: Bulk, ids: Iterable[str]) -> dict[str, dict[str, Any]]:
    rows = bulk.rows(
        f"SELECT {', '.join(_COLUMNS)} FROM failure_groups WHERE {bulk.any_of('id')}",
        bulk.listed(sorted(ids)),
    )
    return {row[0]: dict(zip(_COLUMNS, row, strict=True)) for row in rows}


def _happened(
    rows: dict[str, dict[str, Any]], one: Occurrence, minutes: Mapping[tuple[str, int], int]
) -> None:
    letter = one.letter
    row = rows.get(one.group)
    if row is None:
        row = rows[one.group] = {
            **dict.fromkeys(_COLUMNS), "id": one.group, "first": one.at, "last": one.at, "seen": 0,
            "parked": 0, "replaying": 0, "state": "open", "note": "", "reopened": 0,
            "first_code": letter["code"],
        }  # fmt: skip
    row["seen"] += 1
    row["first"] = min(row["first"], one.at)
    if one.at >= row["last"]:
        row |= {"last": one.at, "example": letter["id"], "error": one.error}
        row |= {name: letter[name] for name in ("subscription", "type", "reason", "title", "frame")}
        row["last_code"] = letter["code"] or row["last_code"]
        row["last_model"] = letter["model"] or row["last_model"]
    if _again(row, one.at, minutes):
        row |= {"state": "open", "state_by": None, "state_at": one.at}
        row |= {"ignored_until": None, "ignored_above": None, "reopened": row["reopened"] + 1}


def _again(row: Mapping[str, Any], at: float, minutes: Mapping[tuple[str, int], int]) -> bool:
    """Whether what happened now opens a group that was closed or ignored."""
    if row["state"] == "resolved":
        return True
    if row["state"] != "ignored":
        return False
    if row["ignored_until"] is not None and at >= row["ignored_until"]:
        return True
    above = row["ignored_above"]
    return above is not None and minutes[row["id"], int(at // MINUTE)] > above


def _count(bulk: Bulk, occurrences: Sequence[Occurrence]) -> dict[tuple[str, int], int]:
    """Add to the counts; how often each group happened so far in the minutes concerned."""
    counted = Counter(
        (one.group, span, int(one.at // span)) for one in occurrences for span in (MINUTE, HOUR)
    )
    bulk.insert(
        FailureCount,
        ("group_id", "span", "at", "count"),
        [(*where, counted[where]) for where in sorted(counted)],
        "ON CONFLICT (group_id, span, at) DO UPDATE SET count = failure_counts.count + excluded.count",
    )
    groups = sorted({one.group for one in occurrences})
    if not groups:
        return {}
    first = min(int(one.at // MINUTE) for one in occurrences)
    rows = bulk.rows(
        f"SELECT group_id, at, count FROM failure_counts WHERE {bulk.any_of('group_id')}"
        " AND span = ? AND at >= ?",
        bulk.listed(groups),
        MINUTE,
        first,
    )
    return {(group, at): count for group, at, count in rows}
