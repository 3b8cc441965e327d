"""Schemas that are believed for a moment, and longer where the database is away."""

from __future__ import annotations

import pytest

from app.errors import Unavailable
from app.store.schemas import KEPT, KeptSchemas, SchemaStore
from tests.store.conftest import Store


def test_an_outage_of_the_database_takes_no_schema_away(
    sqlite_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who settles a delivery asks for them: failing there would count against the event in hand."""
    sqlite_store.schemas.save("a.made", 1, "a", {})
    kept = KeptSchemas(sqlite_store.schemas, sqlite_store.clock)
    fresh = KeptSchemas(sqlite_store.schemas, sqlite_store.clock)
    assert set(kept.newest()) == {"a.made"}

    def away(_: SchemaStore) -> list[object]:
        raise Unavailable("The database is away.")

    monkeypatch.setattr(SchemaStore, "all", away)
    sqlite_store.clock.sleep(KEPT * 2)
    assert set(kept.newest()) == {"a.made"}
    with pytest.raises(Unavailable):
        fresh.newest()
