"""Brings a database to the newest revision; safe when many processes do it at once.

There are two histories, because on SQLite the archive is a file of its own:
`main` and `archive`. On PostgreSQL both live in one database, each with a
version table of its own. Whoever comes first holds a lock (an advisory lock on
PostgreSQL, a lock file on SQLite); the others wait, and find the work done.
Alembic is imported by whoever migrates or asks what is missing: a worker starts without.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from sqlalchemy import Connection, text

from app.errors import Unavailable
from app.store.database import Database
from app.store.failures import translated

if TYPE_CHECKING:
    from alembic.config import Config

History = Literal["main", "archive"]
FOLDER = Path(__file__).parent / "migrations"
VERSION_TABLE = {"main": "schema_version", "archive": "archive_schema_version"}
_LOCK = 0x70656E00


def upgrade(database: Database, history: History = "main") -> list[str]:
    """Apply what is missing; the revisions that were."""
    from alembic import command

    with translated(database.name), _alone(database), database.engine.connect() as connection:
        done = _missing(connection, history)
        connection.rollback()
        if done:
            config = _config(history)
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            connection.commit()
        return done


def upgrade_all(main: Database, archive: Database) -> list[str]:
    """Both histories, on one database or two."""
    return upgrade(main) + upgrade(archive, "archive")


def missing(database: Database, history: History = "main") -> list[str]:
    """The revisions that this code needs and the database lacks; empty where it is ready."""
    with translated(database.name), database.engine.connect() as connection:
        return _missing(connection, history)


def _missing(connection: Connection, history: History) -> list[str]:
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory

    context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE[history]})
    current = context.get_current_heads()
    scripts = ScriptDirectory.from_config(_config(history))
    known = [script.revision for script in scripts.walk_revisions()]
    for revision in current:
        if revision not in known:
            raise Unavailable(
                f"The database is at revision {revision}, which this version doesn't know: "
                "it was migrated by a newer one. Start that, or restore an older copy."
            )
    applied: set[str] = set()
    for revision in current:
        applied |= {script.revision for script in scripts.iterate_revisions(revision, "base")}
    return [revision for revision in reversed(known) if revision not in applied]


def _config(history: History) -> Config:
    from alembic.config import Config

    config = Config()
    for option, value in (
        ("script_location", str(FOLDER)),
        ("version_locations", str(FOLDER / history)),
        ("path_separator", "os"),
    ):
        config.set_main_option(option, value.replace("%", "%%"))
    config.attributes["version_table"] = VERSION_TABLE[history]
    return config


@contextmanager
def _alone(database: Database) -> Iterator[None]:
    if database.file is not None:
        with _locked_file(database, database.file.with_name(f"{database.file.name}.migrate")):
            yield
        return
    with database.engine.connect() as connection:
        connection = connection.execution_options(isolation_level="AUTOCOMMIT")
        connection.execute(text("SELECT pg_advisory_lock(:name)"), {"name": _LOCK})
        try:
            yield
        finally:
            connection.execute(text("SELECT pg_advisory_unlock(:name)"), {"name": _LOCK})


@contextmanager
def _locked_file(database: Database, path: Path) -> Iterator[None]:
    # Making the engine first makes the folder.
    assert database.engine
    try:
        handle = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    except OSError as error:
        raise Unavailable(
            f"The folder {path.parent} can't be written ({error.strerror}): make it writable, "
            "or set PENSTOCK_DATA_DIR to one that is."
        ) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
