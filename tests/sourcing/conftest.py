"""A repository on a migrated database, once of each kind."""

from __future__ import annotations

import pytest

from app.sourcing.repository import Repository
from app.store.eventstore.store import EventStore
from tests.store.conftest import Store, opened


@pytest.fixture
def store(migrated_url, clock):
    yield from opened(migrated_url, clock)


@pytest.fixture
def clock():
    from tests.store.conftest import FakeClock

    return FakeClock()


@pytest.fixture
def events(store: Store) -> EventStore:
    return EventStore(store.main, store.clock)


@pytest.fixture
def repository(store: Store, events: EventStore) -> Repository:
    return Repository(events, store.main, store.clock)
