"""The registry and the dataset as they were: every decision, by whom, in the tables' transaction."""

from __future__ import annotations

import pytest

from app.errors import Unavailable
from app.events.event import PRIVATE
from app.sourcing.past import Past
from app.store.eventstore.store import EventStore


def test_a_models_history_tells_who_decided(world, stays):
    past = Past(EventStore(world.database, world.clock))
    first = world.register(stays, "run-1")
    with world.database.session() as session:
        world.models.decide(session, "stays", first, "approved", "better than the baseline")
    world.promote("stays", first, None)
    again = world.register(stays, "run-1")  # a retry of the same run records nothing
    world.promote("stays", first, None)
    assert again == first
    steps = past.history("model:stays").items
    assert [step["type"] for step in reversed(steps)] == [
        "version.registered",
        "version.approved",
        "version.promoted",
    ]
    now = past.get("model:stays")
    assert now["state"]["champion"] == first
    assert now["state"]["versions"][str(first)]["state"] == "champion"
    assert now["why"]["champion"]["type"] == "version.promoted"
    assert past.get("model:stays", version=2)["state"]["champion"] is None


def test_a_datasets_history_keeps_rules_and_uploads(world):
    world.datasets.set_rules("stays", ["age >= 0"], "user:ada")
    world.datasets.upload(b"a,b\n1,2\n", "stays", "b", filename="t.csv", actor="user:bob")
    past = Past(EventStore(world.database, world.clock))
    now = past.get("dataset:stays")
    assert now["state"]["rules"] == ["age >= 0"]
    assert now["why"]["rules"]["actor"] == "user:ada"
    assert now["why"]["versions.1.filename"]["actor"] == "user:bob"


def test_what_is_refused_leaves_no_event(world):
    world.heard.broken = True
    with pytest.raises(Unavailable):
        world.datasets.upload(b"a,b\n1,2\n", "stays", "b", actor="user:bob")
    store = EventStore(world.database, world.clock)
    assert store.head() == 0
    world.heard.broken = False
    world.datasets.upload(b"a,b\n1,2\n", "stays", "b", actor="user:bob")
    assert all(each.event.extensions.get(PRIVATE) for each in store.read_all())
