"""The records of settled deliveries as the archive keeps them: whole batches, compressed.

A record tells what became of a lease's batch; with the events they are all that the console's rows
of runs, deliveries and figures are made from (`app.store.projection.rebuilding`). A batch of the
projector is one row: the records' stored forms, a line each. One that is handled twice is kept
twice, which its readers don't mind. A row with a count of 0 says that nothing from before its
`last` is complete: it was forgotten, or is from a release that kept none.
"""

from __future__ import annotations

import zlib
from collections.abc import Collection, Sequence
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


def after(database: Database, number: int, limit: int, without: Collection[int] = ()) -> list[Kept]:
    """The next batches in the order in which they were kept; of those `without`, no records."""
    with database.read() as session:
        rows = Bulk(session).rows(
            "SELECT number, body FROM settled_records WHERE number > ? AND count > 0"
            " ORDER BY number LIMIT ?",
            number,
            limit,
        )
    return [Kept(number, [] if number in without else _read(body)) for number, body in rows]


def _read(body: bytes) -> list[Event]:
    return [Event.from_bytes(line) for line in zlib.decompress(body).split(b"\n")]


def newest(database: Database) -> int:
    """The number of the last batch."""
    with database.read() as session:
        return Bulk(session).rows("SELECT max(number) FROM settled_records")[0][0] or 0


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
