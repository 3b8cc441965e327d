"""Snapshots: an aggregate's fields at a version, so that not every load replays everything.

One for each stream and fingerprint of the code that made it (so that two releases can run
side by side). It may be missing, old or foreign at any time: the events are the truth.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from sqlmodel import Field, Session, SQLModel

from app.store.bulk import Bulk
from app.store.columns import JsonText, Key, Moment, from_json, to_json


class SnapshotRow(SQLModel, table=True):
    __tablename__ = "snapshots"

    stream: str = Field(primary_key=True, sa_type=Key)
    fingerprint: str = Field(primary_key=True, sa_type=Key)
    version: int
    state: Any = Field(sa_type=JsonText)
    taken: float = Field(sa_type=Moment)


class Snapshot(NamedTuple):
    version: int
    state: dict[str, Any]


def find(session: Session, stream: str, fingerprint: str, until: int | None) -> Snapshot | None:
    """The snapshot of this code, not later than a version; None where there is none."""
    query = "SELECT version, state FROM snapshots WHERE stream = ? AND fingerprint = ?"
    for version, state in Bulk(session).rows(query, stream, fingerprint):
        if until is None or version <= until:
            return Snapshot(version, from_json(state))
    return None


def keep(session: Session, stream: str, fingerprint: str, snapshot: Snapshot, at: float) -> None:
    """Keep it, unless a newer one is kept."""
    Bulk(session).run(
        "INSERT INTO snapshots (stream, fingerprint, version, state, taken) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (stream, fingerprint) DO UPDATE SET version = excluded.version,"
        " state = excluded.state, taken = excluded.taken"
        " WHERE snapshots.version < excluded.version",
        stream, fingerprint, snapshot.version, to_json(snapshot.state), at,
    )  # fmt: skip


def replaced(session: Session, before: float, limit: int) -> list[tuple[str, str]]:
    """Streams and fingerprints of snapshots taken before this time, where other code took one later."""
    query = (
        "SELECT stream, fingerprint FROM snapshots s WHERE taken < ? AND EXISTS (SELECT 1 FROM snapshots"
        " WHERE stream = s.stream AND taken > s.taken) LIMIT ?"
    )
    return [(stream, made) for stream, made in Bulk(session).rows(query, before, limit)]


def forget(session: Session, found: list[tuple[str, str]]) -> int:
    return Bulk(session).many("DELETE FROM snapshots WHERE stream = ? AND fingerprint = ?", found)
