"""Revisions make what the classes say, once, however many processes try."""

from __future__ import annotations

import multiprocessing

import pytest
from alembic import command
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


def test_what_stopped_a_projection_is_told_apart_from_its_text_and_back(store):
    told = {
        "event": "31 item.sold e-31: KeyError: 'a: b'\nand more",
        "older": "This version of the code of sales, 1, is older",
        "other": "31 is no place",
    }
    put = "INSERT INTO followers (name, build, kind, version, state, position, paused, problem, updated)"

    def found():
        with store.main.read() as session:
            return session.execute(text("SELECT * FROM followers ORDER BY name")).mappings().all()

    def revise(how, to):
        with store.main.engine.begin() as connection:
            config = migrate._config("main")
            config.attributes["connection"] = connection
            how(config, to)

    revise(command.downgrade, "0019")
    with store.main.session() as session:
        for name, problem in told.items():
            session.execute(text(f"{put} VALUES (:name, 1, 'x', 1, 'live', 1, false, :problem, 1)"),
                            {"name": name, "problem": problem})  # fmt: skip
    revise(command.upgrade, "head")
    event, older, other = found()
    assert event["problem"] == "KeyError: 'a: b'\nand more"
    assert event["stopped_by"] == '{"position": 31, "type": "item.sold", "event": "e-31"}'
    assert (older["problem"], older["stopped_by"]) == (told["older"], '{"older": true}')
    assert (other["problem"], other["stopped_by"]) == (told["other"], None)
    revise(command.downgrade, "0019")
    assert [row["problem"] for row in found()] == list(told.values())
    revise(command.upgrade, "head")
