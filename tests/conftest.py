"""What tests of every folder share: a real server, real databases, and settings on them.

`redis_url` is empty at the start of each test; `database_url` runs a test once on SQLite and
once on PostgreSQL, each time in a database of its own.
"""

from __future__ import annotations

import gc
import itertools
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import redis
from argon2 import PasswordHasher

from app.embedded.binary import available
from app.embedded.postgres import NoPostgres, running_postgres
from app.embedded.server import EmbeddedServer
from app.store import migrate, users
from app.store.database import open_databases
from config.settings import Settings

IN_CI = os.environ.get("CI") == "true"
# Read at import, before a fixture clears the environment.
TEST_SERVER = os.environ.get("PENSTOCK_TEST_SERVER")
# The processes that tests start shall keep what they compile: half a second of each start.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
# Modules and tests stay to the end: looking through them for garbage took an eighth of the suite's CPU.
gc.disable()


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()
    gc.set_threshold(20_000, 20, 100)


@pytest.fixture(autouse=True, scope="session")
def _no_settings_from_outside() -> None:
    """A developer's environment must not reach a test."""
    for name in list(os.environ):
        if name in ("REDIS_URL", "DATABASE_URL", "PORT") or name.startswith("PENSTOCK_"):
            del os.environ[name]


@pytest.fixture(autouse=True, scope="session")
def _quick_passwords() -> Iterator[None]:
    """A hash that is costly to guess costs a sign-in an eighth of a second: in real processes, not here."""
    quick = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(users, "_hasher", lambda: quick)
        yield


@pytest.fixture(scope="session")
def valkey() -> Iterator[EmbeddedServer]:
    """A running server that keeps nothing. PENSTOCK_TEST_SERVER=redis|valkey chooses which."""
    wanted = TEST_SERVER
    binary = next((found for found in available() if found.product == wanted), None)
    if wanted and not binary:
        pytest.fail(f"PENSTOCK_TEST_SERVER is {wanted}, and there is no such server here")
    with tempfile.TemporaryDirectory(prefix="penstock-") as folder:
        server = EmbeddedServer(Path(folder), fsync=None, binary=binary)
        server.start()
        try:
            server.wait_ready()
            yield server
        finally:
            server.stop()


@pytest.fixture
def redis_url(valkey: EmbeddedServer) -> str:
    """The address of the server, emptied."""
    with redis.Redis.from_url(valkey.url) as client:
        client.flushall()
        client.script_flush()
    return valkey.url


@pytest.fixture(scope="session")
def _postgres() -> Iterator[str]:
    try:
        with running_postgres() as url:
            yield url
    except NoPostgres as problem:
        if IN_CI:
            pytest.fail(str(problem))
        pytest.skip(str(problem))


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty database, once of each kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'penstock.db'}"
        return
    yield from _postgres_database(request.getfixturevalue("_postgres"))


@pytest.fixture
def postgres_url(_postgres: str) -> Iterator[str]:
    """The URL of an empty PostgreSQL database."""
    yield from _postgres_database(_postgres)


_numbers = itertools.count(1)


def _admin(url: str) -> psycopg.Connection:
    plain = url.format(name="postgres").replace("postgresql+psycopg", "postgresql")
    return psycopg.connect(plain, autocommit=True)


def _postgres_database(url: str, like: str = "template1") -> Iterator[str]:
    name = f"test_{next(_numbers)}"
    with _admin(url) as connection:
        # Copied as files, as all did before 15: block by block it takes three times the CPU.
        how = " STRATEGY FILE_COPY" if connection.info.server_version >= 150_000 else ""
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {like}{how}")
    yield url.format(name=name)
    with _admin(url) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def _migrated_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with migrated SQLite files, to copy: quicker than to migrate for every test."""
    folder = tmp_path_factory.mktemp("migrated")
    _migrate(f"sqlite:///{folder / 'penstock.db'}")
    return folder


@pytest.fixture(scope="session")
def _migrated_postgres(_postgres: str) -> str:
    """The same on PostgreSQL: the name of a migrated database."""
    with _admin(_postgres) as connection:
        connection.execute("CREATE DATABASE migrated")
    _migrate(_postgres.format(name="migrated"))
    return "migrated"


def _migrate(url: str) -> None:
    main, archive = open_databases(url, url.replace("penstock.db", "archive.db"))
    migrate.upgrade_all(main, archive)
    main.dispose()
    archive.dispose()


@pytest.fixture
def migrated_sqlite_url(_migrated_folder: Path, tmp_path: Path) -> str:
    """A migrated database in `tmp_path`, with its archive beside it."""
    for file in _migrated_folder.glob("*.db"):
        shutil.copy(file, tmp_path)
    return f"sqlite:///{tmp_path / 'penstock.db'}"


@pytest.fixture
def migrated_postgres_url(_postgres: str, _migrated_postgres: str) -> Iterator[str]:
    yield from _postgres_database(_postgres, _migrated_postgres)


@pytest.fixture(params=["sqlite", "postgresql"])
def migrated_url(request: pytest.FixtureRequest) -> str:
    """The URL of a migrated database, once of each kind."""
    kind = "sqlite" if request.param == "sqlite" else "postgres"
    url: str = request.getfixturevalue(f"migrated_{kind}_url")
    return url


@pytest.fixture
def settings(redis_url: str, tmp_path: Path) -> Settings:
    """Settings on the empty server and a new SQLite database."""
    return Settings(data_dir=tmp_path / "data", redis_url=redis_url)
