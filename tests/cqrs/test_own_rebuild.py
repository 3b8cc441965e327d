"""The console's rows are built anew when an operator asks, by whoever follows; and after a kill -9 by the next."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from app.cqrs.declaration import Followers
from app.cqrs.following import Following
from app.errors import Conflict, Refused
from app.events.event import Event
from app.store import settled_records
from app.store.projection import rebuilding
from tests.cqrs.test_projections import follow
from tests.store.stories import declared, delivery, record
from tests.support.killed import dies_at
from tests.web.real_data import archived


@pytest.fixture
def filled(platform, monkeypatch):
    """Six runs that ended."""
    for name, few in (("EVENTS", 2), ("RECORDS", 1), ("RUNS", 2), ("GAP", 0)):
        monkeypatch.setattr(rebuilding, name, few)
    platform.followers = Followers()
    platform.subscription_store.declare([declared()])
    events = archived(platform, *[Event(type="order.placed", id=f"o{n}") for n in range(6)])
    for event in events:
        told = record(
            delivery(event), id=f"r-{event.id}", at=event.time.timestamp() - 1_790_000_100
        )
        settled_records.keep(platform.archive_database, [told])
        platform.projection.apply_records([told])
    return platform


def states(platform) -> dict[str, str]:
    return {run["correlationid"]: run["state"] for run in platform.runs.find().items}


def spoil(platform) -> None:
    with platform.database.session() as session:
        session.execute(text("UPDATE runs SET state = 'failed'"))


GOOD = {f"o{n}": "succeeded" for n in range(6)}


def test_an_operator_asks_and_whoever_follows_does_it(filled) -> None:
    assert states(filled) == GOOD
    spoil(filled)
    filled.projections.rebuild("runs", "user:ann", "they look odd")
    with pytest.raises(Conflict, match="already"):
        filled.projections.rebuild("runs", "user:ann")
    filled.following.step()
    (told,) = [one for one in filled.projections.all() if one["name"] == "runs"]
    assert 0 < told["building"]["progress"] < 1
    follow(filled)
    assert states(filled) == GOOD
    assert filled.projections.get("runs")["building"] is None
    (line,) = filled.audit.find(action="projection.rebuilt").items
    assert (line["actor"], line["details"]["reason"]) == ("user:ann", "they look odd")
    for refused in ("pause", "reset", "skip"):
        with pytest.raises(Refused, match="rebuild runs"):
            getattr(filled.projections, refused)("runs", "user:ann")


def test_where_it_cannot_be_done_it_says_so(filled) -> None:
    with filled.archive_database.session() as session:
        session.execute(text("DELETE FROM settled_records"))
    filled.projections.rebuild("runs", "cli")
    follow(filled)
    assert "from this release on" in filled.projections.get("runs")["problem"]
    assert states(filled) == GOOD


def test_killed_in_between_every_run_is_whole_and_the_next_one_ends_it(filled) -> None:
    step, seen = 0, set()
    while True:
        spoil(filled)
        with filled.database.session() as session:
            session.execute(text("DELETE FROM followers"))
        filled.projections.rebuild("runs", "cli")
        died = dies_at(filled, step, lambda: follow(filled, Following(filled, "child")))
        after = states(filled)
        assert set(after) == set(GOOD) and set(after.values()) <= {"failed", "succeeded"}
        seen.add(tuple(sorted(after.values())))
        follow(filled, Following(filled, "next"))
        assert states(filled) == GOOD
        if not died:
            break
        step += 97
    assert len(seen) > 1  # before and after some were replaced


def test_a_part_is_as_large_as_others_may_wait_for():
    pace, given = rebuilding.Pace(10, fewest=2), []
    for some, took in zip(pace.slices(range(100)), (0.01, 0.01, 0.4, 0.1, 60.0, 0.0), strict=False):
        given.append(len(some))
        pace.took(took)
    assert given == [10, 20, 40, 10, 10, 2]
    assert list(pace.slices(range(3))) == [range(3)]
