"""What is committed to the outbox reaches its topics: once, in order, whoever dies, whoever wakes."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy.event import listen, remove
from sqlmodel import select

from app import bootstrap
from app.alerts.readings import Readings
from app.errors import InvalidEvents, NotFound, Refused, Unavailable
from app.events.event import Event
from app.store import outbox
from app.store import page as page_of
from app.streams import keys
from app.subscriptions.relay import Relay
from app.telemetry.metrics import exposition
from app.testing.clock import FakeClock


def put(platform: bootstrap.Platform, *numbers: int, **options) -> None:
    with platform.database.session() as session:
        events = [Event(type="order.placed", data=number) for number in numbers]
        platform.outbox.add(session, events, **options)


def topic(platform: bootstrap.Platform) -> list[int]:
    found = platform.redis.xrange(keys.topic_stream("order", 0))
    return [Event.from_bytes(fields[b"e"]).data for _, fields in found]


def wait_for(condition, seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def test_a_page_of_large_events_that_cannot_go_ends_early_and_says_what_is_next(platform):
    with platform.database.session() as session:
        for number in range(50):
            large = Event(type="order.placed", id=str(number), data="x" * 200_000)
            outbox.set_aside(session, large, "too large")
    found, cursor, pages = [], None, 0
    while pages == 0 or cursor:
        page = platform.outgoing.refused(1000, cursor)
        assert sum(len(one["event"]["data"]) for one in page.items) < page_of.MOST_BYTES + 200_001
        found += [int(one["event"]["id"]) for one in page.items]
        cursor, pages = page.next, pages + 1
    assert found == list(range(49, -1, -1)) and pages == 3
    exact = platform.outgoing.refused(2, platform.outgoing.refused(10).next)
    assert [one["event"]["id"] for one in exact.items] == ["39", "38"]


def test_what_is_committed_is_published_in_order_and_what_is_rolled_back_never(platform):
    put(platform, *range(1200))
    with platform.database.session() as session:
        platform.outbox.add(session, [Event(type="order.placed", data=-1)])
        session.rollback()

    assert platform.relay.drain() == 1200
    assert topic(platform) == list(range(1200))
    assert platform.relay.drain() == 0


def test_every_wake_up_is_dropped_and_all_drains_anyway(platform, monkeypatch):
    monkeypatch.setattr(type(platform), "wake_relay", lambda self: None)
    stopping = threading.Event()
    thread = threading.Thread(target=platform.relay.run, args=(stopping,))
    thread.start()
    try:
        for number in range(5):
            put(platform, number)
            wait_for(lambda number=number: topic(platform) == list(range(number + 1)))
    finally:
        stopping.set()
        thread.join(30)


def test_a_wake_up_is_heard(platform, monkeypatch):
    monkeypatch.setattr("app.subscriptions.relay.LOOK", 3600.0)
    stopping = threading.Event()
    thread = threading.Thread(target=platform.relay.run, args=(stopping,), daemon=True)
    thread.start()
    wait_for(lambda: platform.redis.pubsub_numsub(keys.WAKES)[0][1] == 1)
    put(platform, 1)
    wait_for(lambda: topic(platform) == [1])
    stopping.set()
    platform.wakes.announce("end")
    thread.join(30)


def test_a_commit_does_not_wait_for_a_server_that_hangs(platform, monkeypatch):
    hanging, asked = threading.Event(), threading.Event()

    def hang(*_):
        asked.set()
        hanging.wait(60)

    monkeypatch.setattr(platform.wakes, "announce", hang)
    put(platform, 1)
    assert asked.wait(30)
    put(platform, 2)  # while the first wake-up is still under way
    platform.event_store.append("order-1", Event(type="order.placed", data=3))
    assert platform.outgoing.status()["waiting"] == 2
    hanging.set()


def test_one_of_many_is_active_and_another_takes_over(platform):
    one, other = Relay(platform, "one"), Relay(platform, "other")
    put(platform, 1)
    assert one.drain() == 1
    put(platform, 2)
    assert other.drain() == 0
    one.resign()
    assert other.drain() == 1
    assert topic(platform) == [1, 2]


def test_a_relay_that_was_taken_over_while_it_published_doubles_nothing(platform, monkeypatch):
    one, other = Relay(platform, "one"), Relay(platform, "other")
    put(platform, 1, 2, 3)
    publish = platform.publisher.publish

    def hang(events, **options):
        monkeypatch.undo()
        publish(events[:1], **options)
        with platform.database.session() as session:
            outbox.drop(session, [])
            session.connection().exec_driver_sql("UPDATE owners SET until = 0")
        put(platform, 4)
        assert other.drain() == 4
        return publish(events, **options)

    monkeypatch.setattr(platform.publisher, "publish", hang)
    one.drain()
    assert one.claim.fence is None
    assert topic(platform) == [1, 2, 3, 4]


def test_a_death_between_publishing_and_deleting_doubles_nothing(platform, monkeypatch):
    put(platform, 1, 2)
    with monkeypatch.context() as patch:
        patch.setattr(outbox, "drop", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            platform.relay.drain()
    assert topic(platform) == [1, 2]
    platform.relay.drain()
    assert topic(platform) == [1, 2]


def test_whatever_is_wrong_with_an_event_the_others_do_not_wait_for_it(platform, monkeypatch):
    publish = platform.publisher.publish

    def fail(events, **options):
        if any(one.data == 2 for one in events):
            raise ZeroDivisionError("nobody foresaw this")
        return publish(events, **options)

    monkeypatch.setattr(platform.publisher, "publish", fail)
    put(platform, 1, 2, 3)
    platform.event_store.append("order-1", Event(type="order.placed", data=2))
    platform.event_store.append("order-1", Event(type="order.placed", data=4))
    platform.relay.drain()
    assert topic(platform) == [1, 3, 4]
    refused = platform.outgoing.refused().items
    assert ["nobody foresaw this" in one["problem"] for one in refused] == [True, True]


@pytest.mark.parametrize("what", ["commit", "answer"])
def test_what_cannot_be_published_is_kept_once_whatever_becomes_of_the_commit(
    platform, monkeypatch, what
):
    relay, session, lost = Relay(platform, "relay"), platform.database.session, []

    @contextmanager
    def losing():
        with session() as one:
            yield one
            if lose := not lost and one.exec(select(outbox.OutboxRow)).all():
                lost.append(what)
                if what == "commit":
                    raise Unavailable("it can't be committed")
        if lose:
            raise Unavailable("its answer was lost")

    good = Event(type="order.placed", data=1)
    platform.event_store.append("order-1", [good, good.but(id="bad"), good.but(id="more", data=3)])
    monkeypatch.setattr(platform.database, "session", losing)
    publish = platform.publisher.publish
    refused = {"bad"}
    monkeypatch.setattr(
        platform.publisher,
        "publish",
        lambda events, **options: (
            1 / 0 if refused & {one.id for one in events} else publish(events, **options)
        ),
    )
    with pytest.raises(Unavailable):
        relay.drain()
    relay.drain()
    assert lost == [what]
    assert topic(platform) == [1, 3]
    assert [one["event"]["id"] for one in platform.outgoing.refused().items] == ["bad"]


def test_the_relay_is_woken_by_a_commit_and_not_by_a_savepoint(platform, monkeypatch):
    woken = []
    monkeypatch.setattr(platform.outbox, "_wake", lambda: woken.append(1))
    with platform.database.session() as session:
        platform.outbox.add(session, [Event(type="order.placed", data=1)])
        with session.begin_nested():
            platform.outbox.add(session, [Event(type="order.placed", data=2)])
            with session.begin_nested():
                session.exec(select(outbox.OutboxRow)).all()
        assert woken == []
    assert woken == [1]
    with platform.database.session() as session:
        with session.begin_nested() as inner:
            platform.outbox.add(session, [Event(type="order.placed", data=3)])
            inner.rollback()
        assert woken == [1]
        platform.outbox.add(session, [Event(type="order.placed", data=4)])
        session.commit()
        assert woken == [1, 1]
        session.exec(select(outbox.OutboxRow)).all()
        session.commit()
    assert woken == [1, 1]


def test_nothing_is_put_into_a_session_that_only_reads(platform):
    with platform.database.read() as session, pytest.raises(Refused, match="only reads"):
        platform.outbox.add(session, [Event(type="order.placed", data=1)])


def test_a_type_whose_topic_cannot_be_is_refused_before_the_relay_meets_it(platform):
    with pytest.raises(InvalidEvents, match="its topic's name"):
        platform.event_store.append("order-1", Event(type="a" * 101 + ".placed"))
    with platform.database.session() as session:
        platform.outbox.add(session, [Event(type="a" * 101 + ".placed")])
    put(platform, 1)
    platform.relay.drain()
    assert topic(platform) == [1]


def test_what_cannot_be_published_says_so_and_holds_up_no_other(platform):
    put(platform, 1)
    with platform.database.session() as session:
        big = Event(type="order.placed", data="x" * (platform.settings.max_event_bytes + 1))
        platform.outbox.add(session, [big, Event(type="order.placed", data=4)])
        platform.outbox.add(session, [big.but(id="another")])
        platform.outbox.add(session, [big.but(id="later")], due=platform.clock.now() + 3600)
    told = platform.outgoing.status()
    assert told["waiting"] == 4 and told["relay"]["seconds"] >= 0
    put(platform, 2)
    platform.relay.drain()

    assert topic(platform) == [1, 4, 2]
    told = platform.outgoing.status()
    assert (told["waiting"], told["later"], told["refused"]) == (0, 1, 2)
    assert told["relay"]["seconds"] == 0
    shown = exposition(platform).decode()
    assert 'penstock_outbox_events{state="refused"} 2.0' in shown
    assert "penstock_relay_lag_events 0.0" in shown and "penstock_relay_lag_seconds 0.0" in shown
    assert Readings(platform).of("refused-events") == {"outbox": 2.0}
    assert told["relay"]["owner"] == platform.relay.owner
    page = platform.outgoing.refused(limit=1)
    (newest,) = page.items
    assert newest["event"]["id"] == "another" and "bytes" in newest["problem"]
    (oldest,) = platform.outgoing.refused(1, page.next).items

    platform.outgoing.discard(newest["id"], "user:ann", "nobody needs it")
    platform.settings = platform.settings.model_copy(update={"max_event_bytes": 4 * 1024 * 1024})
    for name in ("preparer", "publisher"):
        platform.__dict__.pop(name)  # as after a restart with another limit
    platform.outgoing.retry(oldest["id"], "user:ann")
    platform.relay.drain()
    assert len(topic(platform)) == 4 and platform.outgoing.status()["refused"] == 0
    with pytest.raises(NotFound, match="outbox list"):
        platform.outgoing.retry(oldest["id"], "user:ann")
    (noted,) = platform.audit.find(action="outbox.discarded").items
    assert noted["before"]["event"]["id"] == "another"
    assert noted["details"] == {"reason": "nobody needs it"}
    with pytest.raises(NotFound, match="no refused event"):
        platform.outgoing.discard(2**80, "user:ann")


def test_how_long_the_oldest_waits_is_told_of_the_outbox_and_of_the_event_store(platform):
    now = platform.clock.now()

    def waits() -> float:
        return platform.outgoing.status()["relay"]["seconds"]

    assert waits() == 0
    platform.event_store.append("order-1", Event(type="order.placed", data=1))
    platform.clock = FakeClock(now + 100)
    assert 50 <= waits() < 200
    put(platform, 2, due=now - 400)
    put(platform, 4, due=now - 500)
    assert 550 <= waits() < 700
    with platform.database.session() as session:
        old = datetime.fromtimestamp(now - 900, UTC)
        platform.outbox.add(session, [Event(type="order.placed", data=3, time=old)])
    assert 950 <= waits() < 1100
    platform.relay.drain()
    assert waits() == 0 and topic(platform) == [2, 4, 3, 1]


def test_a_look_reads_nothing_of_what_is_for_later(platform):
    """All that a look of the relay and its status ask is answered from the parts of the outbox."""
    put(platform, *range(3), due=platform.clock.now() + 3600)
    asked: list[tuple[str, Any]] = []

    def note(_connection, _cursor, statement, parameters, *_):
        if "outbox" in statement:
            asked.append((statement, parameters))

    listen(platform.database.engine, "before_cursor_execute", note)
    try:
        platform.relay.drain()
        platform.outgoing.status()
    finally:
        remove(platform.database.engine, "before_cursor_execute", note)
    assert len(asked) >= 3
    explain = "EXPLAIN QUERY PLAN " if platform.settings.on_sqlite else "EXPLAIN "
    with platform.database.engine.connect() as connection:
        if not platform.settings.on_sqlite:  # which would read three rows rather than an index
            connection.exec_driver_sql("SET enable_seqscan = off")
        for statement, parameters in asked:
            plan = str(connection.exec_driver_sql(explain + statement, parameters).all())
            assert "outbox_waiting" in plan or "outbox_refused" in plan, plan
            assert "SCAN outbox'" not in plan and "outbox_pkey" not in plan, plan


def test_what_is_due_later_waits_and_can_be_called_back(platform):
    now = platform.clock.now()
    put(platform, 1, due=now + 3600, handle="one")
    put(platform, 2, due=now - 1, handle="two")
    with platform.database.session() as session:
        platform.outbox.call_back(session, "two")
    put(platform, 3, due=now - 1)
    platform.relay.drain()

    assert topic(platform) == [3]
    assert platform.relay.next_due() == now + 3600


def test_what_is_appended_to_the_event_store_is_published_in_order(platform):
    def append(stream: str, *numbers: int) -> None:
        events = [Event(type="order.placed", data=number) for number in numbers]
        platform.event_store.append(stream, events)

    append("order-1", *range(600))
    append("order-2", 600)
    platform.relay.drain()
    assert topic(platform) == list(range(601))

    other = Relay(platform, "other")
    platform.relay.resign()
    append("order-1", 601)
    other.drain()
    assert topic(platform) == list(range(602))


def test_private_events_stay_in_the_store(platform):
    kept = Event(type="order.placed", data=1, extensions={"private": True})
    platform.event_store.append("order:1", [kept, Event(type="order.placed", data=2)])
    platform.event_store.append("order:2", [kept])
    relay = Relay(platform, "relay")
    relay.drain()
    assert topic(platform) == [2]
    assert relay.drain() == 0  # and they are behind it
