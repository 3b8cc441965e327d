"""A migrated store on each kind of database, and a clock that stands still."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from app.store import migrate
from app.store.archive import Archive
from app.store.database import Database, open_databases
from app.store.dead_letters import DeadLetters
from app.store.grouped import Grouped
from app.store.projection import Projection
from app.store.replays import ReplayStore
from app.store.rollups import Rollups
from app.store.runs import Runs
from app.store.schemas import SchemaStore
from app.store.subscriptions import SubscriptionStore
from tests.store.stories import T0


class FakeClock:
    """A clock that a test moves by hand."""

    def __init__(self, now: float = T0):
        self.time = now

    def now(self) -> float:
        return self.time

    monotonic = now

    def sleep(self, seconds: float) -> None:
        self.time += seconds


@dataclass
class Store:
    main: Database
    archive_database: Database
    clock: FakeClock

    def __post_init__(self) -> None:
        self.archive = Archive(self.archive_database, self.clock)
        self.projection = Projection(self.main, self.archive, self.clock)
        self.runs = Runs(self.main, self.archive, self.clock)
        self.dead_letters = DeadLetters(self.main, self.clock)
        self.groups = Grouped(self.main, self.clock)
        self.rollups = Rollups(self.main, self.archive, self.clock)
        self.replays = ReplayStore(self.main, self.clock)
        self.subscriptions = SubscriptionStore(self.main, self.clock)
        self.schemas = SchemaStore(self.main, self.clock)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(scope="session")
def migrated_folder(tmp_path_factory) -> Path:
    """A folder with migrated SQLite files, to copy: quicker than to migrate for every test."""
    folder = tmp_path_factory.mktemp("migrated")
    for _ in opened(f"sqlite:///{folder / 'penstock.db'}", FakeClock()):
        pass
    return folder


@pytest.fixture(scope="session")
def migrated_postgres(_postgres: str) -> str:
    """A server with a migrated database called `migrated`, to copy; its URL without a name."""
    with server(_postgres) as admin:
        if admin.execute("SELECT 1 FROM pg_database WHERE datname = 'migrated'").fetchone():
            return _postgres  # by the same fixture under another module's name
        admin.execute("CREATE DATABASE migrated")
    for _ in opened(_postgres.format(name="migrated"), FakeClock()):
        pass
    return _postgres


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest) -> Store:
    """A migrated store, once of each kind."""
    kind = "sqlite" if request.param == "sqlite" else "postgres"
    return request.getfixturevalue(f"{kind}_store")


@pytest.fixture
def sqlite_store(migrated_folder: Path, tmp_path: Path, clock: FakeClock) -> Iterator[Store]:
    for file in migrated_folder.glob("*.db"):
        shutil.copy(file, tmp_path)
    yield from opened(f"sqlite:///{tmp_path / 'penstock.db'}", clock)


@pytest.fixture
def postgres_store(migrated_postgres: str, clock: FakeClock) -> Iterator[Store]:
    name = f"store_{next(_numbers)}"
    with server(migrated_postgres) as admin:
        admin.execute(f"CREATE DATABASE {name} TEMPLATE migrated")
    yield from opened(migrated_postgres.format(name=name), clock)
    with server(migrated_postgres) as admin:
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


_numbers = itertools.count(1)


def server(url: str) -> psycopg.Connection:
    plain = url.format(name="postgres").replace("postgresql+psycopg", "postgresql")
    return psycopg.connect(plain, autocommit=True)


def opened(url: str, clock: FakeClock) -> Iterator[Store]:
    archive_url = url.replace("penstock.db", "archive.db")
    main, archive = open_databases(url, archive_url)
    migrate.upgrade_all(main, archive)
    yield Store(main, archive, clock)
    main.dispose()
    archive.dispose()


@pytest.fixture
def database(store: Store) -> Database:
    return store.main
