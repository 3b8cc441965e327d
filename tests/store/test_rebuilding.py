"""The console's rows built anew from the archive: the same as before, while events keep coming."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import Index, text

from app.bench import rebuild as bench
from app.errors import Refused
from app.store import settled_records
from app.store.projection import rebuilding, unread
from app.store.projection.rebuilding import Rebuilding
from app.store.projection.unread import Unread
from tests.store.stories import (
    SUBSCRIPTION,
    T0,
    arrival,
    declared,
    delivery,
    emitted,
    event,
    record,
)

TABLES = ("run_events", "deliveries", "delivery_attempts", "announced_events", "runs", "rollups",
          "worker_rollups", "coarse_rollups")  # fmt: skip


class World:
    """What workers do: events that come, and records of what became of them."""

    def __init__(self, store):
        self.store = store
        store.subscriptions.declare([declared(), declared("shop.mail")])
        self.number = 0

    def come(self, *events) -> None:
        arrivals = [arrival(each) for each in events]
        self.store.archive.add(arrivals)
        self.store.projection.apply_events(arrivals)

    def settle(self, *records) -> None:
        settled_records.keep(self.store.archive_database, records)
        self.store.projection.apply_records(records)

    def run(self) -> str:
        """A run with two steps, of which one may be retried, parked, or still open."""
        n = self.number = self.number + 1
        root = event(f"run-{n}", at=float(n))
        child = emitted(root, "payment.captured", n + 2.0)
        self.come(root)
        self.settle(record(delivery(root, emits=[child], started=n + 1.0), at=n + 1.5, id=f"r{n}"))
        if n % 3:
            self.come(child)
        if n % 4 == 0:
            bad = delivery(root, "retrying", started=n + 1.0)
            self.settle(record(bad, by="shop.mail", at=n + 1.5, id=f"again{n}"))
        if n % 4 in (1, 2):
            state = "parked" if n % 4 == 1 else "succeeded"
            last = delivery(root, state, attempt=2, started=n + 3.0)
            self.settle(record(last, by="shop.mail", at=n + 4.0, id=f"m{n}"))
        return root.id


def rows(store) -> dict[str, list[Any]]:
    with store.main.read() as session:
        return {
            table: sorted(map(str, session.execute(text(f"SELECT * FROM {table}"))))
            for table in TABLES
        }


def change(store, *statements: str) -> None:
    with store.main.session() as session:
        for one in statements:
            session.execute(text(one))


def rebuilt(store) -> Iterator[float]:
    store.clock.time = max(store.clock.time, T0 + 7200)
    rebuild = Rebuilding(store.main, store.archive, store.archive_database, store.clock)
    return rebuild.steps()


@pytest.fixture
def world(store, monkeypatch) -> World:
    monkeypatch.setattr(rebuilding, "EVENTS", 3)
    monkeypatch.setattr(rebuilding, "RECORDS", 2)
    monkeypatch.setattr(rebuilding, "RUNS", 10)
    monkeypatch.setattr(unread, "MOST", 5)
    return World(store)


def test_what_was_spoilt_is_as_it_was(store, world) -> None:
    for _ in range(13):
        world.run()
    before = rows(store)
    change(
        store, "UPDATE runs SET state = 'running', ended = NULL", "DELETE FROM deliveries WHERE attempt = 1",
        "DELETE FROM run_events WHERE correlationid = 'run-3'", "DELETE FROM delivery_attempts",
        "UPDATE rollups SET succeeded = 99", "DELETE FROM worker_rollups", "DELETE FROM announced_events",
        "UPDATE coarse_rollups SET parked = parked + 1",
    )  # fmt: skip
    assert rows(store) != before
    shares = list(rebuilt(store))
    assert shares == sorted(shares) and shares[-1] == 1.0
    assert rows(store) == before


def test_nothing_is_missed_or_doubled_while_events_keep_coming(store, world) -> None:
    for _ in range(9):
        world.run()
    change(store, "UPDATE runs SET state = 'failed'", "UPDATE rollups SET parked = 7")
    for number, _ in enumerate(rebuilt(store)):
        if number < 12:
            world.run()
    assert number > 12
    after = rows(store)
    fresh = {table: after[table] for table in TABLES}
    list(rebuilt(store))  # nothing comes any more: this one is the truth
    assert rows(store) == fresh


def test_what_a_record_was_kept_for_and_not_applied_is_counted_once(store, world) -> None:
    world.run()
    root = event("late", at=20.0)
    world.come(root)
    kept = record(delivery(root, started=21.0), at=21.5, id="late")
    settled_records.keep(store.archive_database, [kept])  # and its worker dies
    list(rebuilt(store))
    store.projection.apply_records([kept])
    with store.main.read() as session:
        assert session.execute(text("SELECT sum(succeeded) FROM rollups")).scalar() == 2


def test_an_operators_cancelling_stays(store, world) -> None:
    id = world.run()
    world.run()
    store.projection.cancel_waiting("shop.mail")
    change(store, "UPDATE subscriptions SET active = false WHERE name = 'shop.mail'")
    store.subscriptions.declare([declared("shop.later")])  # did not exist when these came
    before = rows(store)
    list(rebuilt(store))
    assert rows(store) == before
    assert store.runs.get(id)["state"] == "failed"


def test_runs_from_before_the_archive_is_complete_are_left_alone(store, world) -> None:
    world.run()
    with store.archive_database.session() as session:
        session.execute(text("DELETE FROM settled_records"))
    with pytest.raises(Refused, match="from this release on"):
        list(rebuilt(store))
    with store.archive_database.session() as session:
        session.execute(
            text(
                "INSERT INTO settled_records (first, last, count, body) VALUES (0, :at, 0, :body)"
            ),
            {"at": T0 + 1.9, "body": b""},
        )
    world.run()
    before = rows(store)
    change(store, "UPDATE runs SET state = 'cancelled'")
    list(rebuilt(store))
    states = {row["correlationid"]: row["state"] for row in store.runs.find().items}
    assert states["run-1"] == "cancelled" and states["run-2"] != "cancelled"
    assert rows(store)["deliveries"] == before["deliveries"]


def test_it_comes_to_an_end_where_nothing_came_since_the_last_forgetting(store, world) -> None:
    world.run()
    with store.archive_database.session() as session:
        session.execute(
            text(
                "INSERT INTO settled_records (first, last, count, body) VALUES (0, 1.0, 0, :body)"
            ),
            {"body": b""},
        )
    before = rows(store)
    change(store, "DELETE FROM runs")
    rebuild = rebuilt(store)
    assert [next(rebuild, None) for _ in range(50)][-1] is None
    assert rows(store) == before


def test_how_far_it_is_counts_from_the_first_that_is_kept(store, world) -> None:
    for _ in range(8):
        world.run()
    for table, last in (("events", 12), ("settled_records", 8)):
        with store.archive_database.session() as session:
            session.execute(text(f"DELETE FROM {table} WHERE number <= {last - 4}"))
    shares = list(rebuilt(store))
    assert shares[0] < 0.2


def test_what_is_alike_is_not_written_again(store, world) -> None:
    for _ in range(6):
        world.run()
    change(store, "UPDATE runs SET state = 'waiting' WHERE correlationid = 'run-2'")
    rebuild = Rebuilding(store.main, store.archive, store.archive_database, store.clock)
    list(rebuild.steps())
    assert rebuild.replaced == 1 and store.runs.get("run-2")["state"] != "waiting"


def test_no_step_makes_more_than_one_index(store, world, monkeypatch) -> None:
    """Of a million events each takes seconds, for which the process follows nothing else."""
    for _ in range(3):
        world.run()
    made, create = [], Index.create
    monkeypatch.setattr(Index, "create", lambda *given: made.append(create(*given)))
    most = 0
    for _ in rebuilt(store):
        most = max(most, len(made))
        made.clear()
    assert most == 1


def test_a_packed_event_that_was_announced_is_not_waited_for(store, world) -> None:
    store.schemas.save("tick.seen", 1, "tick", {"type": "object"}, tracking="packed")
    root = event("root", at=1.0)
    ticks = [emitted(root, "tick.seen", 2.0, index) for index in range(9)]
    world.come(root)
    world.settle(record(delivery(root, emits=ticks, started=1.5), id="emits"))
    world.settle(record(delivery(root, started=1.6), by="shop.mail", id="mails"))
    world.come(*ticks)
    for _ in range(4):
        world.run()
    before = rows(store)
    assert store.runs.get("root")["state"] == "succeeded"
    change(store, "UPDATE runs SET state = 'running'", "DELETE FROM deliveries")
    list(rebuilt(store))
    after = rows(store)
    assert [after[one] for one in ("runs", "announced_events")] == [
        before[one] for one in ("runs", "announced_events")
    ]


def test_rows_that_come_late_under_lower_numbers_are_read_once() -> None:
    kept = {1: "a", 2: "b", 5: "e"}
    left = Unread(
        0,
        lambda after, limit: sorted((n, x) for n, x in kept.items() if n > after)[:limit],
        lambda numbers: [(n, kept[n]) for n in numbers if n in kept],
    )
    assert left.take(2) == ["a", "b"] and left.take(2) == ["e"] and left.take(2) == []
    kept |= {4: "d", 6: "f"}
    assert left.take(2) == ["d", "f"] and left.take(2) == []
    kept |= {3: "c"}
    assert left.take(2) == ["c"] and left.take(2) == [] and left.number == 6


def test_records_are_forgotten_with_the_runs(store, world) -> None:
    from app.store import retention

    for _ in range(3):
        world.run()
    now = T0 + 31 * 86_400
    assert retention.prune(store.main, store.archive_database, now)["settled"] == 5
    assert settled_records.after(store.archive_database, 0, 10) == []
    assert settled_records.complete_since(store.archive_database) == now - 30 * 86_400


def test_an_edited_replay_still_mends_what_was_parked(store, world) -> None:
    root = event("a", at=1.0)
    world.come(root)
    world.settle(record(delivery(root, "parked", started=2.0), id="first"))
    (letter,) = store.dead_letters.find().items
    child = event("a-edited", cause=root, at=5.0, data={"better": True})
    item = {"dead_letter": letter["id"], "event": child.to_dict(), "subscription": SUBSCRIPTION,
            "sent_id": child.id, "edited": True}  # fmt: skip
    id = store.replays.create([item], selection={}, options={}, actor="me")
    store.replays.claim(id, 1)
    world.settle(record(delivery(child, generation=8, started=8.0, replay=id), id="second"))
    before = rows(store)
    assert any("'succeeded'" in row and "'a'" in row for row in before["deliveries"])
    change(
        store,
        "UPDATE deliveries SET state = 'parked', generation = 0",
        "UPDATE runs SET state = 'failed'",
    )
    list(rebuilt(store))
    assert rows(store) == before
    assert store.dead_letters.find().items == []  # the letter stays replayed


def test_the_benchmark_finds_every_row_as_it_was(store, world) -> None:
    for _ in range(20):
        world.run()
    store.clock.time = T0 + 7200
    platform = SimpleNamespace(
        database=store.main, archive=store.archive, archive_database=store.archive_database,
        clock=store.clock, runs=store.runs,
    )  # fmt: skip
    result = bench.run(platform, 40, 1.0)
    assert result["runs that were not as they were built anew"] == 0
    assert result["spoilt runs that were mended"] == 2
    assert result["tables with rows that are not as before"] == 0
    before = bench.digests(store.main)
    change(store, "UPDATE deliveries SET worker = 'another' WHERE event_id = 'run-7'")
    assert [one for one, now in bench.digests(store.main).items() if now != before[one]] == [
        "deliveries"
    ]
