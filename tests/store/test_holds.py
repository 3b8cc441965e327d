"""A run that a person has to decide on is waiting, not over."""

from __future__ import annotations

from app import bootstrap
from app.events.schema import EventTypes
from app.store import holds, migrate
from app.subscriptions.declaration import Handlers
from tests.store.stories import T0, arrival, event


def test_a_run_waits_until_its_hold_is_released_once(settings):
    platform = bootstrap.build(settings, handlers=Handlers(), types=EventTypes())
    migrate.upgrade_all(platform.database, platform.archive_database)
    with platform.database.session() as session:
        for _ in range(2):
            holds.place(session, "model adult 2", "a", "e", T0)
    platform.projection.apply_events([arrival(event("a"))])
    waits = platform.runs.get("a")

    with platform.database.session() as session:
        first = holds.release(session, "model adult 2")
        second = holds.release(session, "model adult 2")
    holds.derive_again(platform.database, "a")
    over = platform.runs.get("a")
    platform.close()

    assert (waits["state"], waits["ended"]) == ("waiting", None)
    assert (first, second) == (("a", "e"), None)
    assert over["state"] == "succeeded"
    assert over["ended"] is not None
