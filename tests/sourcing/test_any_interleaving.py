"""Properties: whatever is appended in whatever interleaving, a replay equals some serial order."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.events.event import Event
from app.sourcing.aggregate import Aggregate, applies
from app.sourcing.repository import Repository
from app.store.eventstore.recorded import VersionConflict
from app.store.eventstore.store import EventStore
from tests.store.conftest import *  # noqa: F403 (a migrated store of each kind)

steps = st.lists(
    st.tuples(st.integers(0, 2), st.sampled_from(["load", "add", "save"]), st.integers(0, 9)),
    max_size=30,
)
runs = iter(range(10_000_000))


class Tally(Aggregate):
    category = "interleaved"
    snapshot_every = 3
    total: int = 0
    last: int | None = None

    def add(self, n: int) -> None:
        self.record("interleaved.raised", {"n": n, "before": self.total})

    @applies("interleaved.raised")
    def _raised(self, event: Event) -> None:
        assert event.data["before"] == self.total  # it was decided on exactly this state
        self.total += event.data["n"]
        self.last = event.data["n"]


def fields(tally: Tally) -> tuple[int, int | None, int]:
    return tally.total, tally.last, tally.version


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps)
def test_three_editors_in_any_interleaving_equal_a_serial_order(store, steps):
    events = EventStore(store.main, store.clock)
    repository = Repository(events, store.main, store.clock)
    name = str(next(runs))
    editors: list[Tally] = [Tally(name) for _ in range(3)]
    serial = Tally(name)
    for who, step, n in steps:
        if step == "load":
            editors[who] = repository.load(Tally.kind(), name)
            assert fields(editors[who]) == fields(serial)
        elif step == "add":
            editors[who].add(n)
        else:
            pending = list(editors[who].pending)
            overtaken = bool(pending) and editors[who].saved_version != serial.version
            if overtaken:
                with pytest.raises(VersionConflict):
                    repository.save(editors[who])
                editors[who] = Tally(name)
            else:
                repository.save(editors[who])
                for event in pending:
                    serial.add(event.data["n"])
    replayed: Tally = repository.load(Tally.kind(), name)
    assert fields(replayed) == fields(serial)
    assert [each.version for each in events.read(f"interleaved:{name}")] == list(
        range(1, serial.version + 1)
    )
