"""A handler that is gone from the code keeps no run waiting."""

from __future__ import annotations

from app import bootstrap
from app.events.schema import EventTypes
from app.store import migrate
from app.subscriptions.declaration import Handlers, on
from app.subscriptions.declare import declare
from tests.store.stories import arrival, event


def platform_with(settings, *names):
    handlers = Handlers()
    for name in names:
        on("order.placed", name=name, handlers=handlers)(lambda event, ctx: None)
    return bootstrap.build(settings, handlers=handlers, types=EventTypes())


def test_a_renamed_handler_retires_its_old_name(settings):
    before = platform_with(settings, "shop.charge", "shop.mail")
    migrate.upgrade_all(before.database, before.archive_database)
    declare(before)
    # Declared by a process with other modules: nothing is known of it here.
    elsewhere = {"name": "other.one", "types": ["order.placed"], "module": "other"}
    before.subscription_store.declare([elsewhere])
    arrivals = [arrival(event("a"))]
    before.archive.add(arrivals)
    before.projection.apply_events(arrivals)
    before.close()
    after = platform_with(settings, "shop.charge", "shop.letter")
    declare(after)
    states = {s["subscription"]: s["state"] for s in after.runs.get("a")["steps"]}
    assert states == {"shop.charge": "waiting", "shop.mail": "cancelled", "other.one": "waiting"}
    active = [row["name"] for row in after.subscription_store.all(active_only=True)]
    assert active == ["other.one", "shop.charge", "shop.letter"]
    after.close()
