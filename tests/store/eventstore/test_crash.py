"""PostgreSQL crashes under appends and comes back: what was acknowledged is there, once, and no reader skips any."""

from __future__ import annotations

import os
import signal
import threading
import time

import psycopg
import pytest
from sqlalchemy import text

from app.errors import Unavailable
from app.events.event import Event
from app.store.eventstore.store import EventStore

WRITERS, GOAL = 4, 60


@pytest.fixture
def crashing(postgres_store):
    """A store that waits until its server has written what it acknowledges (tests' servers don't), and a crash."""
    database = postgres_store.main
    with database.session() as session:
        name = session.execute(text("SELECT current_database()")).scalar()
        session.execute(text(f"ALTER DATABASE {name} SET synchronous_commit = on"))
    database.dispose()
    url = database.url.set(drivername="postgresql").render_as_string(hide_password=False)

    def crash() -> None:
        """One of its processes is killed: it ends all the others, and recovers."""
        with psycopg.connect(url) as victim:
            os.kill(victim.info.backend_pid, signal.SIGKILL)
            with pytest.raises(psycopg.OperationalError):
                victim.execute("SELECT pg_sleep(30)")

    return EventStore(database, postgres_store.clock), crash


def insist(ask):
    """Ask until the server is there."""
    ends = time.monotonic() + 60
    while True:
        try:
            return ask()
        except Unavailable:
            assert time.monotonic() < ends
            time.sleep(0.02)


def test_what_was_acknowledged_outlives_a_crash(crashing):
    store, crash = crashing
    known: list[list[str]] = [[] for _ in range(WRITERS)]
    writing = [True]
    read = []

    def write(mine: list[str], stream: str) -> None:
        while len(mine) < GOAL:
            event = Event(type="thing.done", data=stream)
            try:
                store.append(stream, event, len(mine))
            except Unavailable:
                version = insist(lambda: store.version(stream))
                assert version in (len(mine), len(mine) + 1)
                if version == len(mine):
                    continue  # else only the reply was lost
            mine.append(event.id)

    def follow() -> None:
        after = 0
        while True:
            last = not writing
            found = insist(lambda after=after: store.read_all(after, 50))
            read.extend(found)
            after = found[-1].position if found else after
            if last and not found:
                return

    threads = [
        threading.Thread(target=write, args=(mine, f"thing:{n}")) for n, mine in enumerate(known)
    ]
    follower = threading.Thread(target=follow)
    for thread in [*threads, follower]:
        thread.start()
    for part in (1, 2):
        ends = time.monotonic() + 60
        while min(map(len, known)) < part * GOAL // 3 and time.monotonic() < ends:
            time.sleep(0.001)
        insist(lambda: store.head())
        crash()
    for thread in threads:
        thread.join(120)
    writing.clear()
    follower.join(120)

    for n, mine in enumerate(known):
        assert [one.event.id for one in store.read(f"thing:{n}")] == mine
    everything = insist(lambda: store.read_all(0, 10_000))
    assert len(everything) == WRITERS * GOAL
    assert [one.event.id for one in read] == [one.event.id for one in everything]
