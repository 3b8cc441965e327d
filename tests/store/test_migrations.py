"""Revisions make what the classes say, once, however many processes try."""

from __future__ import annotations

import multiprocessing

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

import app.domain.tables  # noqa: F401 (registers its tables)
from app.errors import Unavailable
from app.store import migrate
from app.store.archive_tables import ARCHIVE
from app.store.database import Database, open_databases
from app.store.tables import METADATA

OURS = {"schema_version", "archive_schema_version"}


def differences(database, metadata, others=()):
    """What alembic would change, but for tables that belong to the other history."""

    def included(_object, name, kind, _reflected, _other):
        return not (kind == "table" and (name in OURS or name in others))

    with database.engine.connect() as connection:
        options = {"include_object": included, "compare_type": True}
        return compare_metadata(MigrationContext.configure(connection, opts=options), metadata)


def test_the_revisions_make_what_the_classes_say(store):
    assert differences(store.main, METADATA, ARCHIVE.tables) == []
    assert differences(store.archive_database, ARCHIVE, METADATA.tables) == []


def test_migrating_again_does_nothing(store):
    assert migrate.upgrade_all(store.main, store.archive_database) == []
    assert migrate.missing(store.main) == []
    assert migrate.missing(store.archive_database, "archive") == []


def test_what_is_missing_is_told_before(database_url):
    database = Database(database_url)
    assert migrate.missing(database)[0] == "0001"
    with pytest.raises(Unavailable, match="python -m app migrate"), database.read() as session:
        session.execute(text("SELECT * FROM runs"))
    database.dispose()


def test_a_newer_database_is_not_touched(store):
    with store.main.session() as session:
        session.execute(text("UPDATE schema_version SET version_num = '9999'"))
    with pytest.raises(Unavailable, match="newer"):
        migrate.upgrade(store.main)


def _migrate(url, barrier, results):
    main, archive = open_databases(url, url.replace("penstock.db", "archive.db"))
    barrier.wait()
    try:
        results.put(migrate.upgrade_all(main, archive))
    except BaseException as error:
        results.put(error)
        raise


def test_eight_processes_at_once_apply_each_revision_once(database_url):
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])  # imported once, and nothing connected yet
    barrier, results = context.Barrier(8), context.Queue()
    processes = [
        context.Process(target=_migrate, args=(database_url, barrier, results)) for _ in range(8)
    ]
    for process in processes:
        process.start()
    done = [results.get(timeout=60) for _ in processes]
    for process in processes:
        process.join(timeout=60)
    applied = sorted(revision for each in done for revision in each)
    assert applied == sorted(set(applied))
    assert {"0001", "archive_0001"} <= set(applied)


def test_each_history_is_one_line():
    """Two revisions with one number, or on one before, leave every database where it is."""
    for history in ("main", "archive"):
        numbers = [path.name[:4] for path in sorted((migrate.FOLDER / history).glob("[0-9]*.py"))]
        assert numbers == [f"{n:04}" for n in range(1, len(numbers) + 1)]
        script = ScriptDirectory.from_config(migrate._config(history))
        assert len(script.get_heads()) == 1
