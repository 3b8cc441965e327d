"""An event store on a migrated database, once of each kind."""

from __future__ import annotations

import pytest

from app.events.catalogue import Catalogue
from app.events.schema import EventTypes
from app.store.eventstore.store import EventStore


@pytest.fixture
def types() -> EventTypes:
    """No types but those that a test registers."""
    return EventTypes()


@pytest.fixture
def events(store, types):
    return EventStore(store.main, store.clock, Catalogue(types))
