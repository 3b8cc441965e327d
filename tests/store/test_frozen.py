"""What a frozen process holds is let go of by PostgreSQL."""

from __future__ import annotations

import pytest
from sqlalchemy import text
from sqlmodel import Session

from app.errors import Unavailable
from app.store import followers, frozen, ownership
from app.store.failures import translated


def test_who_takes_over_does_not_wait_for_a_frozen_owner(postgres_store, monkeypatch):
    store = postgres_store  # who holds the lock of SQLite's file is on this machine
    with store.main.session() as session:
        fence = ownership.claim(session, "relay", "one", 0.0, 5.0)
        followers.begin(session, "sales", 1, "projection", 1, followers.LIVE, [], 0.0)
    monkeypatch.setattr(frozen, "SECONDS", 0.2)
    with store.main.engine.connect() as still, Session(still) as session:
        ownership.holding(session, "relay", fence)
        followers.locked(session, "sales", 1)
        monkeypatch.undo()
        with store.main.session() as other:  # waits for the locks, and no longer than that
            other.execute(text("SET LOCAL lock_timeout = '30s'"))
            assert ownership.claim(other, "relay", "another", 100.0, 5.0) == fence + 1
            assert followers.locked(other, "sales", 1) is not None
        with pytest.raises(Unavailable, match="stood still"), translated("main"):
            session.execute(text("SELECT 1"))
        still.invalidate()
