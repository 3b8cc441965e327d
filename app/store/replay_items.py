"""A replay's frozen list: its tables, and what happens to items and to their dead letters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Index
from sqlmodel import Field, Session, SQLModel

from app.errors import Conflict
from app.store.bulk import Bulk
from app.store.columns import JsonText, Key, LongText, Moment, key, to_json
from app.store.failure_groups import apply, arrived, moved


class ReplayRow(SQLModel, table=True):
    __tablename__ = "replays"
    __table_args__ = (Index("replays_by_time", "created", "id"), Index("replays_by_state", "state"))

    id: str = Field(primary_key=True, sa_type=Key)
    state: str = Field(sa_type=Key)
    total: int
    selection: dict[str, Any] = Field(sa_type=JsonText)
    options: dict[str, Any] = Field(sa_type=JsonText)
    reason: str = Field(default="", sa_type=LongText)
    stopped: str | None = Field(default=None, sa_type=LongText)
    created_by: str = Field(sa_type=Key)
    created: float = Field(sa_type=Moment)
    ended: float | None = Field(default=None, sa_type=Moment)
    paused_from: str | None = Field(default=None, sa_type=Key)
    approval: str | None = Field(default=None, sa_type=Key)
    approved_by: str | None = Field(default=None, sa_type=Key)
    approved: float | None = Field(default=None, sa_type=Moment)


class ReplayItem(SQLModel, table=True):
    __tablename__ = "replay_items"
    __table_args__ = (
        Index("replay_items_by_state", "replay_id", "state", "number"),
        Index("replay_items_by_event", "replay_id", "sent_id", "subscription"),
    )

    replay_id: str = Field(primary_key=True, sa_type=Key)
    number: int = Field(primary_key=True)
    subscription: str = Field(sa_type=Key)
    dead_letter: str | None = Field(default=None, sa_type=Key)
    event_id: str = Field(sa_type=Key)
    event_source: str = Field(sa_type=Key)
    type: str = Field(sa_type=Key)
    sent_id: str = Field(sa_type=Key)
    event: dict[str, Any] | None = Field(default=None, sa_type=JsonText)
    state: str = Field(sa_type=Key)
    claimed: float | None = Field(default=None, sa_type=Moment)
    error: str | None = Field(default=None, sa_type=LongText)


INSERT = """
INSERT INTO replay_items (replay_id, number, subscription, dead_letter, event_id, event_source,
                          type, sent_id, event, state, claimed, error)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 'pending', NULL, NULL)
"""


def item_row(id: str, number: int, item: Mapping[str, Any]) -> tuple[Any, ...]:
    event, letter = item["event"], item.get("dead_letter")
    sent_id = item.get("sent_id") or event["id"]
    whole = None if letter and not item.get("edited") else to_json(event)
    return (
        id, number, item["subscription"], letter, key(event["id"]),
        key(event.get("source") or "penstock"), event["type"], key(sent_id), whole,
    )  # fmt: skip


def chunks(items: Iterable[Mapping[str, Any]], size: int) -> Iterable[list[Mapping[str, Any]]]:
    chunk: list[Mapping[str, Any]] = []
    for item in items:
        chunk.append(item)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def begin_sending(row: ReplayRow, total: int, approve_above: int | None) -> None:
    """The list is whole: the replay goes on, or waits for a second person."""
    row.total, row.state = total, "canary" if row.options.get("canary") else "running"
    if approve_above is not None and total > approve_above:
        row.approval, row.paused_from, row.state = "needed", row.state, "paused"


def take_parked(bulk: Bulk, letters: list[str], replay: str, now: float) -> set[str]:
    """Make those of them `replaying` that are parked; which these are. The caller holds the lock."""
    if not letters:
        return set()
    sql = f"SELECT id FROM dead_letters WHERE {bulk.any_of('id')} AND state = 'parked'"
    parked = {id for (id,) in bulk.rows(sql, bulk.listed(letters))}
    take_letters(bulk, sorted(parked), replay, now)
    return parked


def take_letters(bulk: Bulk, letters: list[str], replay: str, now: float) -> None:
    """Make them `replaying`; the caller holds the lock of failure_groups."""
    if not letters:
        return
    these = f"{bulk.any_of('id')} AND state = 'parked'"
    left = moved(bulk, these, bulk.listed(letters))
    taken = bulk.run(
        f"UPDATE dead_letters SET state = 'replaying', replay = ? WHERE {these}",
        replay,
        bulk.listed(letters),
    )
    if taken != len(set(letters)):
        raise Conflict(
            f"{len(set(letters)) - taken} of the dead letters are gone, sent or being replayed already: "
            "look at the replay that is running, or choose again."
        )
    apply(bulk, (), arrived(left, "replaying"), now)


def park_again(bulk: Bulk, id: str, now: float, count: int) -> int:
    """Park again so many at most of what was not sent; how many. The caller holds the lock."""
    rows = bulk.rows(
        "SELECT number, dead_letter FROM replay_items WHERE replay_id = ? AND state = 'pending'"
        " ORDER BY number LIMIT ?",
        id,
        count,
    )
    letters = bulk.listed(letter for _, letter in rows if letter is not None)
    these = f"{bulk.any_of('id')} AND state = 'replaying' AND replay = ?"
    left = moved(bulk, these, letters, id)
    bulk.run(f"UPDATE dead_letters SET state = 'parked', replay = NULL WHERE {these}", letters, id)
    apply(bulk, (), arrived(left, "parked"), now)
    if rows:
        bulk.run(
            "UPDATE replay_items SET state = 'cancelled'"
            " WHERE replay_id = ? AND state = 'pending' AND number <= ?",
            id,
            rows[-1][0],
        )
    return len(rows)


def mark_items(
    session: Session, results: list[tuple[str, str, str, str, str | None]], now: float
) -> None:
    """Note results in the caller's transaction, and end the replays whose lists are through."""
    if not results:
        return
    bulk = Bulk(session)
    bulk.many(
        "UPDATE replay_items SET state = ?, error = ? WHERE replay_id = ? AND sent_id = ?"
        " AND subscription = ? AND state IN ('pending', 'sent')",
        [
            (state, error, replay, key(event), subscription)
            for replay, event, subscription, state, error in sorted(results, key=lambda r: r[:3])
        ],
    )
    for id in sorted({result[0] for result in results}):
        _end_if_through(bulk, id, now)


def _end_if_through(bulk: Bulk, id: str, now: float) -> None:
    bulk.run(
        "UPDATE replays SET ended = ?, state = CASE WHEN EXISTS (SELECT 1 FROM replay_items"
        "   WHERE replay_id = replays.id AND state = 'failed') THEN 'failed' ELSE 'succeeded' END"
        " WHERE id = ? AND state IN ('canary', 'running', 'paused')"
        " AND NOT EXISTS (SELECT 1 FROM replay_items"
        "   WHERE replay_id = replays.id AND state IN ('pending', 'sent'))",
        now,
        id,
    )
