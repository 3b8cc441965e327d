"""A migrated store on each kind of database, and a clock that stands still."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

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


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest) -> Store:
    """A migrated store, once of each kind."""
    kind = "sqlite" if request.param == "sqlite" else "postgres"
    return request.getfixturevalue(f"{kind}_store")


@pytest.fixture
def sqlite_store(migrated_sqlite_url: str, clock: FakeClock) -> Iterator[Store]:
    yield from opened(migrated_sqlite_url, clock)


@pytest.fixture
def postgres_store(migrated_postgres_url: str, clock: FakeClock) -> Iterator[Store]:
    yield from opened(migrated_postgres_url, clock)


def opened(url: str, clock: FakeClock) -> Iterator[Store]:
    """A store on a database that is migrated."""
    archive_url = url.replace("penstock.db", "archive.db")
    main, archive = open_databases(url, archive_url)
    yield Store(main, archive, clock)
    main.dispose()
    archive.dispose()


@pytest.fixture
def database(store: Store) -> Database:
    return store.main
