"""The global order: a reader skips nothing, whoever is still writing, and for however long."""

from __future__ import annotations

import re
import threading
import time

import pytest
from sqlalchemy import event as hooks
from sqlalchemy import text

from app.events.event import Event
from app.store.eventstore.recorded import VersionConflict
from app.store.eventstore.store import EventStore


def happened(n=0):
    return Event(type="thing.done", data=n)


def drained(events, after=0):
    """What a reader gets that goes on after the last position it read."""
    found = []
    while batch := events.read_all(after=after, limit=7):
        found += [(each.stream, each.version) for each in batch]
        after = batch[-1].position
    return found, after


@pytest.fixture
def postgres_events(postgres_store):
    return EventStore(postgres_store.main, postgres_store.clock)


def test_all_streams_in_one_order(events):
    for n in range(10):
        events.append(f"thing:{n % 3}", [happened(), happened()])
    found, after = drained(events)
    assert len(found) == 20 and len(set(found)) == 20
    assert after == events.head()
    assert events.read_all(after=after) == []
    positions = [each.position for each in events.read_all(limit=100)]
    assert positions == sorted(positions)


def test_what_waits_for_its_commit_is_not_skipped(postgres_store, postgres_events):
    """A inserts and pauses, B commits, a reader reads, A commits."""
    events = postgres_events
    events.append("before", happened())
    with postgres_store.main.session() as session:
        events.append("a", happened(), session=session)
        events.append("b", happened())
        seen, after = drained(events)
        assert seen == [("before", 1)]  # B is there, and can't be handed out before A is known
        assert events.head() == after == events.position_at(postgres_store.clock.now())
    more, after = drained(events, after)
    assert more == [("a", 1), ("b", 1)]
    assert events.head() == after


def test_an_older_transaction_that_appends_later_is_not_skipped(postgres_store, postgres_events):
    """Transaction ids and positions may come in different orders: only positions matter."""
    events = postgres_events
    with postgres_store.main.session() as older:
        older.execute(text("SELECT txid_current()"))
        with postgres_store.main.session() as younger:
            events.append("younger", happened(), session=younger)
            events.append("older", happened(), session=older)
            older.commit()
            assert drained(events) == ([], 0)
    assert drained(events)[0] == [("younger", 1), ("older", 1)]


def test_one_that_is_rolled_back_holds_nobody_up(postgres_store, postgres_events):
    events = postgres_events
    with postgres_store.main.session() as session:
        events.append("a", happened(), session=session)
        events.append("b", happened())
        session.rollback()
    assert drained(events)[0] == [("b", 1)]


def test_a_savepoint_that_is_rolled_back_and_another_try(postgres_store, postgres_events):
    events = postgres_events
    with postgres_store.main.session() as session:
        nested = session.begin_nested()
        events.append("a", happened(), session=session)
        nested.rollback()
        events.append("b", happened(), session=session)
        events.append("c", happened())
        assert drained(events)[0] == []
    assert drained(events)[0] == [("b", 1), ("c", 1)]


def test_a_transaction_that_writes_elsewhere_holds_nobody_up(postgres_store, postgres_events):
    """However long it is open: only appends that are under way keep readers back."""
    with postgres_store.main.session() as session:
        session.execute(text("CREATE TABLE elsewhere (n int)"))
        postgres_events.append("a", happened())
        assert drained(postgres_events)[0] == [("a", 1)]


@pytest.fixture
def passing(clock, monkeypatch):
    """Lets seconds pass by every clock that a process has."""
    passed = [0.0]
    for name in ("time", "monotonic", "perf_counter"):
        real = getattr(time, name)
        monkeypatch.setattr(time, name, lambda real=real: real() + passed[0])

    def pass_by(seconds):
        clock.sleep(seconds)
        passed[0] += seconds

    return pass_by


def test_an_open_transaction_keeps_readers_back_past_any_timeout(
    postgres_store, postgres_events, passing
):
    """Neither its age is a reason to pass it nor how many come and go meanwhile: days, and thousands."""
    events, database = postgres_events, postgres_store.main
    asked = []
    with database.session() as session:
        events.append("slow", [happened(), happened()], session=session)
        hooks.listen(
            database.engine, "before_cursor_execute", lambda *given: asked.append(given[2])
        )
        for n in range(15):
            events.append_many([(f"quick:{n}:{m}", [happened()], 0) for m in range(200)])
            for _ in range(10):
                events.append(f"quick:{n}", happened())
                assert events.read_all(limit=1) == []
            passing(8 * 3600)
            assert events.head() == events.position_at(postgres_store.clock.now()) == 0
        events.append("slow", happened(), session=session)
        # A server's clock can't be moved from here: none of what a reader asks it may lean on that.
        source = text("SELECT prosrc FROM pg_proc WHERE proname = 'penstock_horizon'")
        asked += session.execute(source).scalars()
    assert any("pg_locks" in one for one in asked)
    assert not re.search("now\\(|timestamp|pg_stat|age\\(|_start", " ".join(asked))
    found, _ = drained(events)
    assert len(found) == 3153 and found[:2] == [("slow", 1), ("slow", 2)]


def test_readers_beside_writers_get_all_in_one_order(events):
    writing = True
    readers = [[] for _ in range(2)]

    def write(name):
        for n in range(40):
            events.append_many([(f"{name}:{n}", [happened()], 0), (f"{name}", [happened()], None)])

    def read(found):
        after = 0
        while True:
            last_round = not writing
            batch = events.read_all(after=after, limit=11)
            found += [(each.stream, each.version) for each in batch]
            after = batch[-1].position if batch else after
            if last_round and not batch:
                return

    writers = [threading.Thread(target=write, args=(f"w{n}",)) for n in range(4)]
    reading = [threading.Thread(target=read, args=(found,)) for found in readers]
    for thread in writers + reading:
        thread.start()
    for thread in writers:
        thread.join()
    writing = False
    for thread in reading:
        thread.join()
    assert readers[0] == readers[1] == drained(events)[0]
    assert len(readers[0]) == 4 * 40 * 2


def test_who_waits_for_an_open_transaction_makes_nobody_else_wait(postgres_store, postgres_events):
    """Threads share a call: one of them that has to wait must not keep the others waiting."""
    events = postgres_events
    blocked = threading.Thread(target=events.append, args=("held", happened()))
    with postgres_store.main.session() as session:
        events.append("held", happened(), session=session)
        blocked.start()
        others = [
            threading.Thread(
                target=lambda n=n: [events.append(f"free:{n}", happened()) for _ in range(20)]
            )
            for n in range(4)
        ]
        for thread in others:
            thread.start()
        for thread in others:
            thread.join(60)
        assert [events.version(f"free:{n}") for n in range(4)] == [20] * 4
        assert blocked.is_alive() and events.version("held") == 0
    blocked.join(60)
    assert events.version("held") == 2


def test_threads_that_share_a_call_get_each_its_own_conflict(postgres_events):
    events, won, lost = postgres_events, [], []

    def append(n):
        for version in range(30):
            try:
                events.append("one", [happened(n), happened(n)], version * 2)
                won.append(version)
            except VersionConflict as conflict:
                lost.append(conflict.winner.type)
                while events.version("one") < (version + 1) * 2:
                    pass

    threads = [threading.Thread(target=append, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert sorted(won) == list(range(30)) and lost == ["thing.done"] * 5 * 30
    assert [each.version for each in events.read("one")] == list(range(1, 61))
