"""The records of settled deliveries as the archive keeps them: whole batches, compressed.

A record tells what became of a lease's batch; with the events they are all that the console's rows
of runs, deliveries and figures are made from (`app.store.projection.rebuilding`). A batch of the
projector is one row: the records' stored forms, a line each. One that is handled twice is kept
twice, which its readers don't mind. A row with a count of 0 says that nothing from before its
`last` is complete: it was forgotten, or is from a release that kept none.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import NamedTuple

from sqlmodel import Session

from app.events.event import Event
from app.store.bulk import Bulk
from app.store.database import Database

LEVEL = 1


class Kept(NamedTuple):
    number: int
    records: list[Event]


def keep(
    database: Database, events: Sequence[Event], stored: Sequence[bytes] | None = None
) -> None:
    """Keep a batch; `stored` are the same events as bytes, where they are at hand."""
    if not events:
        return
    times = [event.data["at"] for event in events]
    lines = stored if stored is not None else [event.to_bytes() for event in events]
    body = zlib.compress(b"\n".join(lines), LEVEL)
    with database.session() as session:
        row = (min(times), max(times), len(events), body)
        Bulk(session).run(
            "INSERT INTO settled_records (first, last, count, body) VALUES (?, ?, ?, ?)", *row
        )


def after(database: Database, number: int, limit: int) -> list[Kept]:
    """The next batches in the order in which they were kept, of about `limit` records together."""
    with database.read() as session:
        bulk = Bulk(session)
        sizes = bulk.rows(
            "SELECT number, count FROM settled_records WHERE number > ? AND count > 0"
            " ORDER BY number LIMIT ?",
            number,
            limit,
        )
        wanted, records = [], 0
        for one, count in sizes:
            wanted.append(one)
            records += count
            if records >= limit:
                break
        return _these(bulk, wanted)


def before(database: Database, number: int, limit: int) -> list[Kept]:
    """The batches that were kept before that one, the newest first."""
    with database.read() as session:
        bulk = Bulk(session)
        numbers = bulk.rows(
            "SELECT number FROM settled_records WHERE number < ? AND count > 0"
            " ORDER BY number DESC LIMIT ?",
            number,
            limit,
        )
        return _these(bulk, [one for (one,) in numbers])[::-1]


def among(database: Database, numbers: Sequence[int]) -> list[Kept]:
    """Those batches of these numbers that are kept."""
    with database.read() as session:
        return _these(Bulk(session), numbers)


def _these(bulk: Bulk, numbers: Sequence[int]) -> list[Kept]:
    if not numbers:
        return []
    sql = "SELECT number, body FROM settled_records"
    sql += f" WHERE {bulk.any_of('number')} AND count > 0 ORDER BY number"
    return [Kept(number, _read(body)) for number, body in bulk.rows(sql, bulk.listed(numbers))]


def _read(body: bytes) -> list[Event]:
    return [Event.from_bytes(line) for line in zlib.decompress(body).split(b"\n")]


def ends(database: Database) -> tuple[int, int]:
    """The numbers of the first and the last batch; zeros where there is none."""
    sql = "SELECT number FROM settled_records WHERE count > 0 ORDER BY number"
    with database.read() as session:
        bulk = Bulk(session)
        found = [bulk.rows(f"{sql} {way} LIMIT 1") for way in ("", "DESC")]
    first, last = (rows[0][0] if rows else 0 for rows in found)
    return first, last


def complete_since(database: Database) -> float:
    """From when on every record is here, in seconds since 1970; 0 where all ever are."""
    with database.read() as session:
        sql = "SELECT max(last) FROM settled_records WHERE count = 0"
        return float(Bulk(session).rows(sql)[0][0] or 0.0)


def prune(session: Session, before: float, limit: int) -> int:
    """Forget batches that are older; how many there were."""
    bulk = Bulk(session)
    gone = bulk.run(
        "DELETE FROM settled_records WHERE number IN (SELECT number FROM settled_records"
        " WHERE count > 0 AND last < ? ORDER BY last LIMIT ?)",
        before,
        limit,
    )
    if gone:
        bulk.run("DELETE FROM settled_records WHERE count = 0 AND last < ?", before)
        bulk.run(
            "INSERT INTO settled_records (first, last, count, body) VALUES (0, ?, 0, ?)",
            before,
            b"",
        )
    return gone
