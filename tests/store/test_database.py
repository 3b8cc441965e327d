"""Transactions, and what a database's own troubles become."""

from __future__ import annotations

import os
import threading
from contextlib import suppress

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError

from app.errors import Refused, Unavailable
from app.events.event import Event
from app.store.database import Database, open_databases
from app.store.engines import sqlite
from app.store.eventstore.store import EventStore


@pytest.fixture
def numbers(database_url):
    database = Database(database_url)
    with database.session() as session:
        session.execute(text("CREATE TABLE numbers (n INTEGER, t TEXT)"))
    yield database
    database.dispose()


def count(database):
    with database.read() as session:
        return session.execute(text("SELECT COUNT(*) FROM numbers")).scalar()


def add(database, n=1):
    with database.session() as session:
        session.execute(text("INSERT INTO numbers (n) VALUES (:n)"), {"n": n})


def test_a_session_commits_at_its_end(numbers):
    add(numbers)
    assert count(numbers) == 1


def test_an_error_rolls_all_of_it_back(numbers):
    def fail():
        with numbers.session() as session:
            session.execute(text("INSERT INTO numbers (n) VALUES (1)"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert count(numbers) == 0


def test_a_reader_writes_nothing(numbers):
    with numbers.read() as session:
        session.execute(text("INSERT INTO numbers (n) VALUES (1)"))
    assert count(numbers) == 0


def test_writers_that_read_first_wait_for_each_other(numbers):
    add(numbers, 0)

    def raise_it():
        for _ in range(25):
            with numbers.session() as session:
                row = session.execute(text("SELECT n FROM numbers" + lock)).scalar()
                session.execute(text("UPDATE numbers SET n = :n"), {"n": row + 1})

    lock = "" if numbers.on_sqlite else " FOR UPDATE"
    threads = [threading.Thread(target=raise_it) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with numbers.read() as session:
        assert session.execute(text("SELECT n FROM numbers")).scalar() == 100


def test_a_forked_child_makes_connections_of_its_own(numbers):
    add(numbers)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            add(numbers, 2)
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    assert count(numbers) == 2
    add(numbers, 3)
    assert count(numbers) == 3


def test_ping(numbers):
    numbers.ping()


def test_a_mistake_in_sql_stays_what_it_is(numbers):
    with pytest.raises(Exception, match="nonsense") as caught, numbers.read() as session:
        session.execute(text("SELECT nonsense FROM numbers"))
    assert not isinstance(caught.value, Unavailable)


def test_a_lost_connection_is_unavailable_and_the_next_one_works(postgres_url):
    database = Database(postgres_url)
    other = Database(postgres_url)

    def lose_it():
        with database.session() as session:
            own = session.execute(text("SELECT pg_backend_pid()")).scalar()
            with other.session() as killer:
                killer.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": own})
            session.execute(text("SELECT 1"))

    with pytest.raises(Unavailable, match="can't take this now"):
        lose_it()
    other.dispose()
    database.ping()
    database.dispose()


def test_no_server_is_unavailable_and_hides_the_password(tmp_path):
    url = f"postgresql+psycopg://me:secret-word@/x?host={tmp_path}"
    with pytest.raises(Unavailable) as caught:
        Database(url).ping()
    assert "secret-word" not in str(caught.value)


def test_a_database_without_an_encoding_answers_in_words(postgres_url):
    """As `initdb` makes it where LC_ALL is C: such a server names no encoding to its clients."""
    with Database(postgres_url).engine.connect() as connection:
        connection = connection.execution_options(isolation_level="AUTOCOMMIT")
        connection.execute(
            text(
                "CREATE DATABASE ascii ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
            )
        )
        database = Database(postgres_url.replace(connection.engine.url.database, "ascii"))
        with database.read() as session:
            assert session.execute(text("SELECT 'Zürich'")).scalar() == "Zürich"
        database.dispose()
        connection.execute(text("DROP DATABASE ascii"))


def test_a_read_only_standby_says_so(postgres_url):
    database = Database(postgres_url)

    def write_there():
        with database.session() as session:
            session.execute(text("SET TRANSACTION READ ONLY"))
            session.execute(text("CREATE TABLE x (n INTEGER)"))

    with pytest.raises(Unavailable, match="only allows reading"):
        write_there()
    database.dispose()


def test_a_full_disk_says_so(tmp_path):
    database = Database(f"sqlite:///{tmp_path / 'x.db'}")
    with database.session() as session:
        session.execute(text("CREATE TABLE numbers (n INTEGER, t TEXT)"))

    def write_much():
        with database.session() as session:
            session.execute(text("PRAGMA max_page_count = 4"))
            session.execute(text("INSERT INTO numbers (t) VALUES (hex(randomblob(100000)))"))

    with pytest.raises(Unavailable, match="disk is full"):
        write_much()
    database.dispose()


def test_a_transaction_that_a_full_disk_ended_keeps_nothing_of_what_follows(tmp_path):
    database = Database(f"sqlite:///{tmp_path / 'full.db'}")
    with database.session() as session:
        session.execute(text("CREATE TABLE numbers (n INTEGER, note TEXT)"))

    def write_on() -> None:
        with database.session() as session:
            session.execute(text("INSERT INTO numbers (n) VALUES (1)"))
            session.execute(text("PRAGMA max_page_count = 3"))
            with suppress(DBAPIError):
                session.execute(text("INSERT INTO numbers VALUES (2, hex(randomblob(100000)))"))
            session.execute(text("INSERT INTO numbers (n) VALUES (3)"))

    with pytest.raises(Unavailable, match="nothing of it was kept"):
        write_on()
    with database.read() as session:
        assert session.execute(text("SELECT count(*) FROM numbers")).scalar() == 0
    database.dispose()


def test_an_append_that_a_full_disk_ended_says_so(migrated_sqlite_url):
    database = Database(migrated_sqlite_url, connections=1)
    with database.session() as session:
        pages = session.execute(text("PRAGMA page_count")).scalar()
        session.execute(text(f"PRAGMA max_page_count = {pages}"))
    with pytest.raises(Unavailable, match="full"):
        EventStore(database).append("order-1", Event(type="order.placed", data="x" * 500_000))
    database.dispose()


def test_a_commit_that_fails_lets_others_write(tmp_path, monkeypatch):
    monkeypatch.setattr(sqlite, "BUSY_SECONDS", 1)
    one, other = (Database(f"sqlite:///{tmp_path / 'one.db'}") for _ in range(2))
    with one.session() as session:
        session.execute(text("CREATE TABLE a (n INTEGER PRIMARY KEY)"))
        deferred = "REFERENCES a(n) DEFERRABLE INITIALLY DEFERRED"
        session.execute(text(f"CREATE TABLE b (n INTEGER {deferred})"))
    with pytest.raises(IntegrityError), one.session() as session:
        session.execute(text("INSERT INTO b VALUES (99)"))
    for database in (other, one):
        with database.session() as session:
            session.execute(text("INSERT INTO b VALUES (NULL)"))
        database.dispose()


def test_a_file_that_is_no_database_says_so(tmp_path):
    (tmp_path / "x.db").write_bytes(b"this is a letter to my aunt " * 100)
    with pytest.raises(Unavailable, match="no SQLite database"):
        Database(f"sqlite:///{tmp_path / 'x.db'}").ping()


def test_a_folder_that_cannot_be_made_says_so(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(Unavailable, match="can't be made"):
        Database(f"sqlite:///{tmp_path / 'file' / 'x.db'}").ping()


def test_sqlite_is_set_up_to_be_safe(tmp_path):
    main, archive = open_databases(
        f"sqlite:///{tmp_path / 'new' / 'a.db'}", f"sqlite:///{tmp_path / 'new' / 'b.db'}"
    )
    found = {}
    for name, database in (("main", main), ("archive", archive)):
        with database.read() as session:
            found[name] = [
                session.execute(text(f"PRAGMA {pragma}")).scalar()
                for pragma in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
            ]
        database.dispose()
    assert found == {"main": ["wal", 2, 1, 30_000], "archive": ["wal", 1, 1, 30_000]}


def test_a_writer_never_blocks_a_reader(tmp_path):
    database = Database(f"sqlite:///{tmp_path / 'x.db'}")
    with database.session() as session:
        session.execute(text("CREATE TABLE numbers (n INTEGER)"))
    with database.session() as writer:
        writer.execute(text("INSERT INTO numbers VALUES (1)"))
        assert count(database) == 0
    assert count(database) == 1
    database.dispose()


def test_a_lock_that_never_comes_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr("app.store.engines.sqlite.BUSY_SECONDS", 0.05)
    database = Database(f"sqlite:///{tmp_path / 'x.db'}")
    other = Database(f"sqlite:///{tmp_path / 'x.db'}")
    with database.session() as session:
        session.execute(text("CREATE TABLE numbers (n INTEGER)"))
        with pytest.raises(Unavailable, match="another process holds"):
            add(other)
    database.dispose()
    other.dispose()


def test_an_error_that_is_not_known_is_not_hidden(tmp_path):
    database = Database(f"sqlite:///{tmp_path / 'x.db'}")
    with pytest.raises(OperationalError), database.read() as session:
        session.execute(text("SELEC 1"))
    database.dispose()


def test_a_thread_that_would_wait_for_itself_is_told_so_at_once(sqlite_store):
    """SQLite has one writer: a second transaction of the same thread waits for the first."""
    main = sqlite_store.main
    events = EventStore(main, sqlite_store.clock)
    happened = Event(type="thing.done", data=1)
    with main.session() as session:
        session.execute(text("DELETE FROM outbox"))
        with pytest.raises(Refused, match="session="):
            events.append("thing:1", happened)
        with pytest.raises(Refused, match="session="), main.session() as inner:
            inner.execute(text("DELETE FROM outbox"))
        events.append("thing:1", happened, session=session)
        with main.read() as reader:
            reader.execute(text("SELECT 1"))
    events.append("thing:1", happened, 1)
    with main.session() as session:
        session.execute(text("DELETE FROM outbox"))
        session.rollback()
    assert events.append("thing:1", happened, 2).version == 3


def test_an_error_does_not_tell_what_a_statement_was_given(store):
    """It is logged and shown."""
    with pytest.raises(DBAPIError, match="SELECT") as told, store.main.session() as session:
        session.execute(text("SELECT SELECT :name"), {"name": "Ada Lovelace"})
    assert "Ada" not in str(told.value)
