"""A connection beside the pool: closed with the others, new after an error, left alone by a child."""

from __future__ import annotations

import os
import signal
import sqlite3
import threading
import traceback

import pytest

from app.events.event import Event
from app.store.database import Database
from app.store.eventstore.store import EventStore
from app.store.own_connection import OwnConnection
from tests.support.killed import ended


@pytest.fixture
def database(tmp_path):
    made = Database(f"sqlite:///{tmp_path / 'x.db'}", connections=1)
    yield made
    made.dispose()


def works(driver: sqlite3.Connection) -> bool:
    try:
        return driver.execute("SELECT 1").fetchone() == (1,)
    except sqlite3.ProgrammingError:
        return False


def test_it_stays_open_and_takes_no_place_of_the_pool(database):
    own = OwnConnection(database)
    with own.driver() as first:
        assert works(first)
        database.ping()  # the pool has one place
    with own.driver() as again:
        assert again is first


def test_it_is_closed_with_the_others(database):
    own = OwnConnection(database)
    with own.driver() as first:
        pass
    database.dispose()
    assert not works(first)
    with own.driver() as second:
        database.dispose()
        assert works(second)  # who is in the middle of it ends it
    assert not works(second)
    with own.driver() as third:
        assert works(third)


def test_after_an_error_it_is_a_new_one(database):
    own = OwnConnection(database)
    with pytest.raises(sqlite3.OperationalError), own.driver() as first:
        first.execute("SELECT nothing FROM nowhere")
    assert not works(first)
    with own.driver() as second:
        assert works(second)


def test_a_child_that_is_forked_in_the_middle_of_an_append_appends_too(sqlite_store):
    events = EventStore(sqlite_store.main)
    events.append("a", Event(type="thing.done"))
    inside, go = threading.Event(), threading.Event()

    def hold(waiting):
        inside.set()
        assert go.wait(60)
        return real(waiting)

    real, events._appender._group._together = events._appender._group._together, hold
    thread = threading.Thread(target=events.append, args=("a", Event(type="thing.done")))
    thread.start()
    assert inside.wait(30)
    child = os.fork()
    if not child:
        signal.alarm(60)  # not for ever
        try:
            events.append("b", Event(type="thing.done"))
            os._exit(0)
        except BaseException:
            traceback.print_exc()
        os._exit(1)
    assert not ended(child)
    go.set()
    thread.join(30)
    assert (events.version("a"), events.version("b")) == (2, 1)
