"""SQLite's write lock goes round: beside one who comes back at once, the others get their turns too."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
import traceback

import pytest
from sqlalchemy import text

from app.events.event import Event
from app.store.database import Database
from app.store.eventstore.store import EventStore
from tests.support.killed import ended


@pytest.fixture
def databases(tmp_path):
    made = [Database(f"sqlite:///{tmp_path / 'x.db'}") for _ in range(2)]
    with made[0].session() as session:
        session.execute(text("CREATE TABLE numbers (n INTEGER)"))
    yield made
    for one in made:
        one.dispose()


def add(database, holding: float = 0.0) -> None:
    with database.session() as session:
        session.execute(text("INSERT INTO numbers VALUES (1)"))
        time.sleep(holding)  # the work of this transaction


def test_who_comes_back_at_once_does_not_keep_the_lock_to_himself(databases):
    greedy, patient = databases
    turns, stop = [0], threading.Event()

    def hog() -> None:
        while not stop.is_set() and turns[0] < 2000:
            add(greedy, holding=0.004)
            turns[0] += 1

    hogging = threading.Thread(target=hog)
    hogging.start()
    for _ in range(8):
        before = turns[0]
        while hogging.is_alive() and turns[0] == before:
            time.sleep(0.001)  # it is at it
        add(patient)
    stop.set()
    hogging.join()
    # SQLite's own waiting lets about a hundred pass before each of the eight.
    assert turns[0] < 8 * 40


def test_reading_waits_as_sqlite_does_after_writing_too(databases):
    database = databases[0]
    add(database)
    with database.read() as session:
        assert session.execute(text("PRAGMA busy_timeout")).scalar() == 30_000
    add(database)


def test_what_is_no_lock_is_told_at_once(databases, tmp_path):
    connection = databases[0].engine.raw_connection()
    driver = connection.driver_connection
    driver.begin("IMMEDIATE")
    with pytest.raises(sqlite3.OperationalError, match="within a transaction"):
        driver.begin("IMMEDIATE")
    driver.rollback()
    connection.close()


def test_every_process_that_appends_gets_on(migrated_sqlite_url):
    """Six at once, each until the last of them has come to its goal, which is written in the store."""
    database = Database(migrated_sqlite_url)
    store = EventStore(database)
    goal, names = 10, [f"writer:{n}" for n in range(6)]

    def write(name: str) -> None:
        mine = EventStore(Database(migrated_sqlite_url))
        while any(mine.version(one) < goal for one in names):
            mine.append(name, Event(type="thing.done", data=name))

    children = []
    for name in names:
        child = os.fork()
        if not child:
            try:
                write(name)
            except BaseException:
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        children.append(child)
    assert not any([ended(child) for child in children])
    found = store.read_all(limit=100_000)
    assert [one.position for one in found] == list(range(1, len(found) + 1))
    assert all(store.version(name) >= goal for name in names)
    database.dispose()
