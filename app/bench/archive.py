"""`bench archive`: how long after the last event is handled the archive and the projections are done.

Then the console's rows are built anew from all of it, and compared with those that there are.
The reference is what SQLite takes for the same events in the barest form: one table with one key,
2,000 rows to a transaction, nothing decoded, nothing to be searched by.
"""

from __future__ import annotations

import sqlite3
import statistics
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from sqlalchemy import text

from app.bench import rebuild
from app.bench.delivery import drained, made_events, publish
from app.bench.machine import Machine, cpu_seconds, machine
from app.embedded.postgres import running_postgres
from app.store import migrate, settled_records
from app.store.database import Database

TYPES = {"packed": "single", "run": "tracked"}
GOAL = 60.0
"""Seconds to catch up after a million events, where their tracking is `packed`."""
MILLION = 1_000_000
PORTION = 2000
RECORDS_TIMED = 200
"""Batches of records whose keeping is timed again by itself."""


def run(
    tracking: str,
    events: int,
    rounds: int,
    fsync: str | None,
    tell: Callable[[str], None],
    database: str = "sqlite",
) -> dict[str, Any]:
    """Seconds until archive and projections have caught up, once all is handled."""
    kind = TYPES[tracking]
    bare, archived, projected, rates, used = [], [], [], [], []
    with ExitStack() as stack:
        url = None
        if database == "postgresql":
            server = stack.enter_context(running_postgres(durable=True))
            url = server.format(name="postgres")
        ours = stack.enter_context(machine(fsync, url))
        stored = [event.to_bytes() for event in made_events(kind, events)]
        ours.start_worker("default", 2)
        system = ours.start_worker("system", 1)
        for number in range(rounds):
            bare.append(_bare(ours.folder / f"bare{number}.sqlite", stored))
            before = cpu_seconds(system.pid)
            begun = time.perf_counter()
            behind = _round(ours, kind, events)
            rates.append(events / (time.perf_counter() - begun))
            used.append((cpu_seconds(system.pid) - before) / events)
            archived.append(behind[0])
            projected.append(behind[1])
            tell(
                f"round {number + 1}: archive {behind[0]:.1f} s, projections {behind[1]:.1f} s after"
                f" the last event was handled; from the start {rates[-1]:,.0f}/s, bare {bare[-1]:,.0f}/s"
            )
        scale = MILLION / events
        result: dict[str, Any] = {
            "benchmark": f"archive, {tracking}, {database}",
            **ours.describe(),
            "events": events,
            "reference": statistics.median(bare),
            "ours": statistics.median(rates),
            "ratio": statistics.median(a / b for a, b in zip(rates, bare, strict=True)),
            "archive caught up after (s)": statistics.median(archived),
            "projections caught up after (s)": statistics.median(projected),
            "CPU of the projector (microseconds an event)": statistics.median(used) * 1e6,
        }
        result |= _records(ours, events * rounds)
        result |= rebuild.run(ours.platform, events * rounds, result["reference"])
        if tracking == "packed":
            slower = max(result[f"{one} caught up after (s)"] for one in ("archive", "projections"))
            result["after a million events (s), at this rate"] = slower * scale
            result["goal (s)"] = GOAL
        return result


def _round(ours: Machine, kind: str, events: int) -> tuple[float, float]:
    """Open the gate on a backlog; how long archive and projections took beyond its handling."""
    name, gates = f"bench.{kind}", ("penstock.archive", "penstock.projector")
    control = ours.platform.subscriptions
    for one in (name, *gates):
        control.pause(one, "bench")
    stream = publish(ours, kind, events)
    for one in (name, *gates):
        control.resume(one, "bench")
    drained(ours, name, stream)
    handled = time.perf_counter()
    drained(ours, "penstock.archive", stream)
    archived = time.perf_counter() - handled
    drained(ours, "penstock.projector", "penstock:topic:penstock:0")
    projected = time.perf_counter() - handled
    ours.client.xtrim(stream, maxlen=0, approximate=False)
    return archived, projected


def _records(ours: Machine, events: int) -> dict[str, float]:
    """What it costs to keep the records that the console's rows can be built from again."""
    batches = settled_records.after(ours.platform.archive_database, 0, RECORDS_TIMED)
    stored = [[event.to_bytes() for event in records] for _, records in batches]
    kept = sum(len(event.data["deliveries"]) for _, records in batches for event in records)
    scratch = Database(f"sqlite:///{ours.folder / 'scratch.db'}", synchronous="NORMAL")
    migrate.upgrade(scratch, "archive")
    begun = time.perf_counter()
    for (_, records), lines in zip(batches, stored, strict=True):
        settled_records.keep(scratch, records, lines)
    taken = time.perf_counter() - begun
    scratch.dispose()
    with ours.platform.archive_database.read() as session:
        sql = "SELECT sum(length(body)), sum(count) FROM settled_records"
        size, count = session.execute(text(sql)).one()
    return {
        "records kept, bytes an event": size / events,
        "records kept, events a record": events / count,
        "keeping them (microseconds a delivery told of)": taken / max(1, kept) * 1e6,
        "keeping them (microseconds a record)": taken / max(1, sum(map(len, stored))) * 1e6,
    }


def _bare(file: Path, events: list[bytes]) -> float:
    connection = sqlite3.connect(file, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("CREATE TABLE events (number INTEGER PRIMARY KEY, event TEXT)")
    begun = time.perf_counter()
    for start in range(0, len(events), PORTION):
        connection.execute("BEGIN IMMEDIATE")
        rows = [(event.decode(),) for event in events[start : start + PORTION]]
        connection.executemany("INSERT INTO events (event) VALUES (?)", rows)
        connection.execute("COMMIT")
    taken = time.perf_counter() - begun
    connection.close()
    file.unlink()
    return len(events) / taken
