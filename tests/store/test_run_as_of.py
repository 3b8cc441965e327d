"""A run at any time in its past, from what its steps know."""

from __future__ import annotations

import pytest

from app.errors import Refused
from app.store.moments import seconds
from app.store.run_as_of import moments
from tests.store.stories import T0, arrival, declared, delivery, emitted, event, record


@pytest.fixture
def run(store):
    """Charged at the second try from 1 to 4, which emits at 4; the mail waits, and is parked at 6."""
    store.subscriptions.declare([declared(), declared("shop.mail")])
    root = event("a")
    child = emitted(root, "payment.captured", 4)
    for each in (root, child):
        store.archive.add([arrival(each)])
        store.projection.apply_events([arrival(each)])
    store.projection.apply_records([
        record(delivery(root, "retrying", started=1.0, took=1.0), at=2),
        record(delivery(root, attempt=2, started=3.0, took=1.0, emits=[child]), at=4),
        record(delivery(root, "parked", started=5.0, took=1.0), by="shop.mail", at=6),
    ])  # fmt: skip
    return store.runs


def at(runs, when: float):
    found = runs.get("a", at=T0 + when)
    steps = {(step["type"], step["subscription"]): step["state"] for step in found["steps"]}
    return found["state"], steps.get(("order.placed", "shop.charge")), steps.get(
        ("order.placed", "shop.mail")), found["events"]  # fmt: skip


def test_each_step_is_as_it_was(run):
    assert at(run, 0.5) == ("running", "waiting", "waiting", 1)
    assert at(run, 1.5) == ("running", "running", "waiting", 1)
    assert at(run, 2.5) == ("running", "retrying", "waiting", 1)
    assert at(run, 3.5) == ("running", "running", "waiting", 1)
    assert at(run, 4.5) == ("running", "succeeded", "waiting", 2)
    assert at(run, 5.5) == ("running", "succeeded", "running", 2)
    assert at(run, 6.5) == ("failed", "succeeded", "parked", 2)
    now, then = run.get("a"), run.get("a", at=T0 + 100)
    assert {**then, "as_of": None} == {**now, "as_of": None}


def test_what_was_not_yet_is_not_told(run):
    early = run.get("a", at=T0 + 0.5)
    charge = early["steps"][0]
    assert (charge["attempts"], charge["error"], charge["history"]) == (0, None, [])
    assert (early["outcome"], early["ended"]) == ("order.placed", None)
    again = run.get("a", at=T0 + 3.5)["steps"][0]
    assert (again["attempts"], len(again["history"]), again["ended"]) == (2, 1, None)
    with pytest.raises(Refused, match="began at"):
        run.get("a", at=T0 - 1)
    assert run.get("nothing", at=T0) is None


def test_its_moments_are_when_something_changed(run):
    assert [seconds(each) - T0 for each in moments(run.get("a"))] == [0, 1, 2, 3, 4, 5, 6]
