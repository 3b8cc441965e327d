"""`bench eventstore`: appending, rehydrating and projecting, beside `eventsourcing` in the same run.

Both write to the same kind of database, on the same disk, each event durable when its append
returns, from threads of one process; in turns, and the figures are medians of the rounds.
"""

from __future__ import annotations

import gc
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

from sqlalchemy import MetaData, text
from sqlmodel import Field, SQLModel

from app import collector
from app.bench.eventstore_bare import Bare
from app.bench.eventstore_peer import TEXT, Peer, streams
from app.clock import SystemClock
from app.cqrs.declaration import Followers, projection
from app.cqrs.follower import Follower
from app.cqrs.view import View
from app.embedded.postgres import running_postgres
from app.events.event import Event
from app.sourcing.aggregate import Aggregate, applies
from app.sourcing.repository import Repository
from app.store import followers as follower_rows
from app.store import migrate
from app.store.database import Database
from app.store.eventstore.store import EventStore

WRITERS = 8
BATCH = 100
REHYDRATED = 100
PROJECTED = 20_000
KEYS = 100
GOALS = {"one writer": 1.5, "eight writers": 4.0, "batched": 2.0, "rehydrating": 1.0}
Append = Callable[[int, int, int], None]
"""Of a writer: its number, the version before, how many events."""


class Meter(Aggregate):
    category: ClassVar[str] = "benchmeter"
    total: int = 0

    def rise(self, n: int) -> None:
        self.record("benchmeter.raised", {"n": n})

    @applies("benchmeter.raised")
    def _raised(self, event: Event) -> None:
        self.total += event.data["n"]


def run(
    databases: list[str], seconds: float, rounds: int, tell: Callable[[str], None]
) -> dict[str, Any]:
    result: dict[str, Any] = {"benchmark": "eventstore", "writers are": "threads of one process"}
    for kind in databases:
        with tempfile.TemporaryDirectory(prefix="penstock-bench-") as folder:
            if kind == "sqlite":
                url = f"sqlite:///{Path(folder) / 'penstock.db'}"
                result[kind] = _measure(url, seconds, rounds, lambda line: tell(f"sqlite: {line}"))
            else:
                with running_postgres(durable=True) as server:
                    url = server.format(name="postgres")
                    result[kind] = _measure(
                        url, seconds, rounds, lambda line: tell(f"postgresql: {line}")
                    )
    return result


def _measure(url: str, seconds: float, rounds: int, tell: Callable[[str], None]) -> dict[str, Any]:
    database = Database(url, connections=WRITERS + 2)
    migrate.upgrade(database)
    if not database.on_sqlite:
        with database.session() as session:
            session.execute(text("CREATE SCHEMA peer"))
    store = EventStore(database)
    peer = Peer(url, WRITERS)
    bare = Bare(url)
    limits: dict[str, list[float]] = {}
    figures: dict[str, list[tuple[float, float]]] = {name: [] for name in GOALS}
    try:
        for number in range(rounds):
            for name, writers, batch in (
                ("one writer", 1, 1),
                ("eight writers", WRITERS, 1),
                ("batched", 1, BATCH),
            ):
                # Whoever goes first changes, since the disk's caches don't know who is measured.
                sides = [lambda w=writers: _ours(store, w), lambda w=writers: _theirs(peer, w)]
                order = (0, 1) if number % 2 == 0 else (1, 0)
                rates = [0.0, 0.0]
                for side in order:
                    rates[side] = _rate(sides[side](), writers, batch, seconds)
                figures[name].append((rates[0], rates[1]))
                if writers == 1:
                    written = _rate(bare.appending(), writers, batch, seconds)
                    limits.setdefault(name, []).append(written / rates[1])
            figures["rehydrating"].append(_rehydrate(database, store, peer, seconds))
            tell(
                f"round {number + 1}: "
                + ", ".join(
                    f"{name} {each[-1][0]:,.0f} of {each[-1][1]:,.0f}/s"
                    for name, each in figures.items()
                )
            )
        with _collecting_as_a_worker():
            projected = [_project(database, store, _row_of_each, PROJECTED) for _ in range(rounds)]
            counted = [_project(database, store, _count_by_key, KEYS)[0] for _ in range(rounds)]
        return {
            "durability": _durability(database, peer),
            **{name: _summary(figures[name], goal) for name, goal in GOALS.items()},
            "bare inserts of such rows, ratio to eventsourcing": {
                name: statistics.median(ratios) for name, ratios in limits.items()
            },
            "projected with a durable checkpoint": {
                "a @projection that adds a row for each, events/s": statistics.median(
                    ours for ours, _ in projected
                ),
                "a @projection that counts by key, events/s": statistics.median(counted),
                "a bare loop, events/s": statistics.median(bare for _, bare in projected),
                "ratio": statistics.median(ours / bare for ours, bare in projected),
                "rounds": [round(ours) for ours, _ in projected],
                "goal": 10_000,
            },
        }
    finally:
        bare.close()
        peer.close()
        database.dispose()


def _ours(store: EventStore, writers: int) -> Append:
    names = [f"bench:{one}" for one in streams(writers)]

    def append(writer: int, version: int, count: int) -> None:
        made = [Event(type="made.up", data={"n": n, "text": TEXT}) for n in range(count)]
        store.append(names[writer], made, version)

    return append


def _theirs(peer: Peer, writers: int) -> Append:
    names = streams(writers)
    return lambda writer, version, count: peer.append(names[writer], version + 1, count)


def _rate(append: Append, writers: int, batch: int, seconds: float) -> float:
    """Events a second, of so many threads for so long; each has a stream of its own."""
    done = [0] * writers
    failed: list[BaseException] = []
    ends = time.perf_counter() + seconds

    def write(writer: int) -> None:
        try:
            while time.perf_counter() < ends:
                append(writer, done[writer], batch)
                done[writer] += batch
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=write, args=(writer,)) for writer in range(writers)]
    begun = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]
    return sum(done) / (time.perf_counter() - begun)


def _rehydrate(
    database: Database, store: EventStore, peer: Peer, seconds: float
) -> tuple[float, float]:
    """Aggregates of 100 events loaded a second, without snapshots."""
    repository = Repository(store, database)
    name = str(streams(1)[0])
    with repository.edit(Meter, name) as meter:
        for n in range(REHYDRATED):
            meter.rise(n)
    id = peer.save_one(REHYDRATED)
    return (
        _times(lambda: repository.get(Meter, name), seconds),
        _times(lambda: peer.load_one(id), seconds),
    )


def _times(work: Callable[[], Any], seconds: float) -> float:
    begun, done = time.perf_counter(), 0
    while time.perf_counter() - begun < seconds:
        work()
        done += 1
    return done / (time.perf_counter() - begun)


class BenchRow(SQLModel, table=True):
    """Apart from the platform's own tables, which a migration test compares."""

    __tablename__ = "bench_rows"
    metadata = MetaData()

    id: str = Field(primary_key=True)
    n: int


def _row_of_each(event: Event, view: View) -> None:
    view.add(BenchRow(id=event.id, n=event.data["n"]))


def _count_by_key(event: Event, view: View) -> None:
    key = f"key {event.data['n'] % KEYS}"
    row = view.get(BenchRow, key) or view.add(BenchRow(id=key, n=0))
    row.n += 1


@contextmanager
def _collecting_as_a_worker() -> Iterator[None]:
    """Projections run in workers, which look for garbage cycles less often."""
    before = gc.get_threshold()
    collector.tune()
    try:
        yield
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)


def _project(
    database: Database, store: EventStore, function: Callable[[Event, View], None], rows: int
) -> tuple[float, float]:
    """Events a second, with rows and position in one transaction: by a `@projection`, and a bare loop's rows."""
    declared = Followers()
    projection("bench", 1, [BenchRow], types=["made.up"], followers=declared)(function)
    platform = SimpleNamespace(database=database, event_store=store, clock=SystemClock())
    start = store.head()
    for _ in range(PROJECTED // 1000):
        made = [Event(type="made.up", data={"n": n}) for n in range(1000)]
        store.append(f"bench:{streams(1)[0]}", made)
    with database.session() as session:
        session.execute(text("DROP TABLE IF EXISTS bench_rows"))
        session.execute(text("DELETE FROM followers"))
        follower_rows.begin(
            session, "bench", 1, "projection", 1, follower_rows.LIVE, ["bench_rows"], 0.0
        )
        session.execute(text("UPDATE followers SET position = :start"), {"start": start})
    follower, done, begun = Follower(platform, declared.declared["bench"]), 0, time.perf_counter()
    while taken := follower.step():
        done += taken
    ours = done / (time.perf_counter() - begun)
    with database.read() as session:
        kept = session.execute(text("SELECT count(*) FROM bench_rows")).scalar()
    assert (kept, done) == (rows, PROJECTED), f"{kept} rows of {done} events"
    return ours, _bare_loop(database, store, start)


def _bare_loop(database: Database, store: EventStore, start: int) -> float:
    """The same rows without a projection: what the store and the database allow."""
    with database.session() as session:
        session.execute(text("DROP TABLE IF EXISTS bench_bare"))
        session.execute(text("DROP TABLE IF EXISTS bench_checkpoint"))
        session.execute(text("CREATE TABLE bench_bare (position bigint PRIMARY KEY, n integer)"))
        session.execute(text("CREATE TABLE bench_checkpoint (position bigint)"))
        session.execute(text("INSERT INTO bench_checkpoint VALUES (:at)"), {"at": start})
    begun, position, done = time.perf_counter(), start, 0
    while batch := store.read_all(after=position, limit=1000):
        position = batch[-1].position
        with database.session() as session:
            session.execute(
                text("INSERT INTO bench_bare VALUES (:position, :n)"),
                [{"position": one.position, "n": one.data["n"]} for one in batch],
            )
            session.execute(text("UPDATE bench_checkpoint SET position = :at"), {"at": position})
        done += len(batch)
    return done / (time.perf_counter() - begun)


def _durability(database: Database, peer: Peer) -> dict[str, Any]:
    """What each side's connections are set to, as the database says."""
    if not database.on_sqlite:
        with database.read() as session:
            shown = {
                name: session.execute(text(f"SHOW {name}")).scalar()
                for name in ("fsync", "synchronous_commit", "full_page_writes")
            }
        return {"both, one server": shown}
    with database.read() as session:
        ours = {
            name: session.execute(text(f"PRAGMA {name}")).scalar()
            for name in ("journal_mode", "synchronous")
        }
    with peer.datastore.transaction(commit=False) as cursor:
        theirs = {}
        for name in ("journal_mode", "synchronous"):
            cursor.execute(f"PRAGMA {name}")
            theirs[name] = cursor.fetchone()[0]
    return {"ours": ours, "eventsourcing": theirs}


def _summary(rounds: list[tuple[float, float]], goal: float) -> dict[str, Any]:
    return {
        "ours": statistics.median(ours for ours, _ in rounds),
        "eventsourcing": statistics.median(theirs for _, theirs in rounds),
        "ratio": statistics.median(ours / theirs for ours, theirs in rounds),
        "rounds": [round(ours / theirs, 2) for ours, theirs in rounds],
        "goal": goal,
    }
