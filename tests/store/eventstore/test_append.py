"""Appending: versions without holes, conflicts that name the winner, rows that nobody changes."""

from __future__ import annotations

import random
import threading
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from pydantic import BaseModel
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app import origin
from app.clock import SystemClock
from app.errors import Conflict, EventTooLarge, InvalidEvents, Refused
from app.events.catalogue import Catalogue
from app.events.event import Event
from app.events.schema import event_type, upcast
from app.store import migrate
from app.store.database import Database
from app.store.eventstore.postgres import PostgresAppender
from app.store.eventstore.recorded import Appended, VersionConflict
from app.store.eventstore.request import Request
from app.store.eventstore.store import LARGEST_EVENT, EventStore
from app.streams.publisher import Preparer

T = datetime(2026, 1, 1, tzinfo=UTC)


def happened(n=0, type="thing.done"):
    return Event(type=type, data={"n": n})


def numbers(recorded):
    return [each.data["n"] for each in recorded]


def test_a_stream_is_read_as_it_was_appended(events):
    first = events.append("thing:1", [happened(0), happened(1)], 0, actor="user:ada")
    second = events.append("thing:1", happened(2), 2)
    assert (first.version, second.version) == (2, 3)
    found = list(events.read("thing:1"))
    assert numbers(found) == [0, 1, 2]
    assert [each.version for each in found] == [1, 2, 3]
    assert [each.actor for each in found] == ["user:ada", "user:ada", None]
    assert found[-1].position == second.position > first.position == found[1].position


def test_reading_backwards_from_a_version_and_until_one(events):
    events.append("thing:1", [happened(n) for n in range(6)])
    assert numbers(events.read("thing:1", backwards=True)) == [5, 4, 3, 2, 1, 0]
    assert numbers(events.read("thing:1", from_version=3)) == [2, 3, 4, 5]
    assert numbers(events.read("thing:1", from_version=3, until_version=4)) == [2, 3]
    assert numbers(events.read("thing:1", until_version=3, backwards=True)) == [2, 1, 0]
    assert numbers(events.read("thing:1", 5, until_version=10**12)) == [4, 5]
    assert list(events.read("thing:2")) == []


def test_more_than_one_page_is_read_both_ways(events):
    for _ in range(3):
        events.append("thing:1", [happened(n) for n in range(700)])
    assert [each.version for each in events.read("thing:1")] == list(range(1, 2101))
    assert [each.version for each in events.read("thing:1", backwards=True)][-1] == 1


def test_reading_by_time(events, clock):
    start = clock.now()
    for n in range(3):
        events.append("thing:1", happened(n))
        clock.sleep(10)
    assert numbers(events.read("thing:1", at=start + 15)) == [0, 1]
    assert numbers(events.read("thing:1", since=start + 15)) == [2]
    assert numbers(events.read("thing:1", at=start - 1)) == []
    assert numbers(events.read("thing:1", since=start + 100)) == []
    with pytest.raises(Refused, match="not a time"):
        list(events.read("thing:1", at="yesterday"))


def test_times_never_go_back_within_a_stream(events, clock):
    events.append("thing:1", happened(0))
    clock.sleep(-100)
    events.append("thing:1", [happened(1), happened(2)])
    times = [each.recorded for each in events.read("thing:1")]
    assert times == sorted(times)


def test_a_conflict_says_who_won(events):
    events.append("thing:1", happened(type="thing.seen"), 0, actor="user:ada")
    for expected in (0, 5):
        with pytest.raises(VersionConflict) as caught:
            events.append("thing:1", [happened(), happened()], expected)
        conflict = caught.value
        assert isinstance(conflict, Conflict)
        assert (conflict.expected, conflict.actual) == (expected, 1)
        assert conflict.winner.type == "thing.seen"
        assert conflict.winner.actor == "user:ada"
        assert "user:ada appended thing.seen at 20" in str(conflict)
    assert events.version("thing:1") == 1


def test_a_conflict_on_a_stream_that_is_not_there(events):
    with pytest.raises(VersionConflict, match="at version 0, not 3: it has no events"):
        events.append("thing:1", happened(), 3)


def test_several_streams_or_none(events):
    done = events.append_many([("b", [happened()], 0), ("a", [happened(), happened()], 0)])
    assert [each.version for each in done] == [1, 2]
    with pytest.raises(VersionConflict):
        events.append_many([("c", [happened()], 0), ("a", [happened()], 0)])
    assert events.version("c") == 0
    again = events.append_many([("a", [happened()], 2), ("a", [happened()], 3)])
    assert [each.version for each in again] == [3, 4]


def test_taking_part_in_a_session(events, store):
    with store.main.session() as session:
        events.append("thing:1", happened(), 0, session=session)
        assert len(list(events.read("thing:1", session=session))) == 1
        session.rollback()
    assert events.version("thing:1") == 0
    with store.main.session() as session:
        events.append("thing:1", happened(), 0, session=session)
        with pytest.raises(VersionConflict):  # and the session goes on
            events.append("thing:1", happened(), 0, session=session)
        events.append("thing:1", happened(), 1, session=session)
    assert events.version("thing:1") == 2


def test_who_asked_is_told_how_far_it_went_only_of_what_was_committed(events, store):
    with origin.of(origin.Origin("api")):
        with suppress(ZeroDivisionError), store.main.session() as session:
            events.append("thing:1", [happened(), happened()], session=session)
            raise ZeroDivisionError
        assert origin.current().stored is None
        with store.main.session() as session:
            kept = events.append("thing:1", happened(), session=session)
            with suppress(ZeroDivisionError), session.begin_nested():
                events.append("thing:2", happened(), session=session)
                raise ZeroDivisionError
            assert origin.current().stored is None
        assert origin.current().stored == kept.position


def test_an_append_that_would_wait_for_its_own_thread_is_refused(events, store):
    other = EventStore(store.main)  # of another part of the platform, on the same database
    with store.main.session() as session:
        events.append("thing:1", happened(1), session=session)
        with pytest.raises(Refused, match="open"):
            other.append("thing:1", happened(2))
        session.rollback()
        events.append("thing:1", happened(3), session=session)
    assert numbers(events.read("thing:1")) == [3]
    other.append("thing:1", happened(4))
    assert numbers(events.read("thing:1")) == [3, 4]


def test_an_append_in_a_second_transaction_of_its_thread_is_refused(events, store):
    """It would wait for the first one for ever, where a server can't see that it does."""
    with store.main.session() as session:
        events.append("thing:1", happened(1), session=session)

        def again():
            with store.main.session() as second:
                second.connection().exec_driver_sql("SET lock_timeout = '5s'")
                events.append("thing:1", happened(2), session=second)

        with pytest.raises(Refused, match="open"):
            again()
    assert numbers(events.read("thing:1")) == [1]


def test_an_append_in_a_transaction_that_only_reads_is_refused(events, store):
    """It would be told that it holds, and be gone."""
    with store.main.read() as session, pytest.raises(Refused, match="only reads"):
        events.append("thing:1", happened(), session=session)
    with store.main.together(), store.main.read() as session:  # one that writes, too
        events.append("thing:1", happened(), session=session)
    assert events.version("thing:1") == 1


def test_an_actor_that_a_database_can_not_hold_is_made_one_that_it_can(events):
    for odd in ("\ud800", "a\0b", "x" * 500):
        events.append("thing:1", happened(), actor=odd)
    assert [len(each.actor) for each in events.read("thing:1")] == [1, 3, 160]


def test_a_version_that_no_stream_has_is_a_conflict(events):
    events.append("thing:1", happened(), actor="user:ada")
    for events_of_it in ([happened()], [happened()] * 30):
        with pytest.raises(VersionConflict, match="at version 1, not 3000000000: user:ada"):
            events.append("thing:1", events_of_it, 3_000_000_000)


def test_several_who_append_in_turns_never_go_by_what_is_no_more_true(events, store, types):
    """Each remembers what it appended last; another, or a session, may have appended since."""
    others = [events, EventStore(store.main, store.clock, Catalogue(types))]
    dice = random.Random(4)
    kept: dict[str, list[tuple[int, str]]] = {f"thing:{n}": [] for n in range(3)}
    order = []
    for turn in range(250):
        actor = dice.choice(range(2))
        stream = dice.choice(list(kept))
        mine = kept[stream]
        many = dice.choice([1, 1, 1, 2, 130 if turn % 40 == 0 else 3])
        expected = dice.choice([None, len(mine), len(mine), max(0, len(mine) - 1)])
        given = [
            happened(1000 * turn + n, dice.choice(["thing.done"] * 4 + ["thing.left"]))
            for n in range(many)
        ]
        told, conflict = None, None
        with ExitStack() as stack:
            session = stack.enter_context(store.main.session()) if dice.random() < 0.2 else None
            try:
                told = others[actor].append(
                    stream, given, expected, actor=f"user:{actor}", session=session
                )
            except VersionConflict as error:
                conflict = error
        if conflict:
            assert expected not in (None, len(mine))
            assert (conflict.actual, conflict.winner.type) == (len(mine), mine[-1][1])
            continue
        assert expected in (None, len(mine))
        mine += [(one.data["n"], one.type) for one in given]
        order += [one.data["n"] for one in given]
        assert told.version == len(mine)
    recorded = events.read_all(limit=10_000)
    assert numbers(recorded) == order
    for stream, mine in kept.items():
        found = list(events.read(stream))
        assert [each.version for each in found] == list(range(1, len(mine) + 1))
        assert [(each.data["n"], each.type) for each in found] == mine


def test_a_database_that_was_put_in_place_of_another_is_appended_to_as_it_is(tmp_path):
    """Its connections are new, and so is what is known of it."""
    database = Database(f"sqlite:///{tmp_path / 'a.db'}", connections=2)
    migrate.upgrade(database)
    events = EventStore(database)
    for n in range(3):
        events.append("thing:1", happened(n), n)
    database.dispose()
    for file in tmp_path.glob("a.db*"):
        file.unlink()
    migrate.upgrade(database)
    assert events.append("thing:1", happened(), 0) == Appended(1, 1)
    assert events.append("thing:1", happened(), 1) == Appended(2, 2)
    database.dispose()


def appended_together(events, *asked):
    """What became of them: requests for one transaction of the appender, as it makes of those who wait."""
    requests = [
        [
            Request(stream, expected, 1.0, None, events._rows([happened(n) for n in ns]))
            for stream, expected, ns in entries
        ]
        for entries in asked
    ]
    if isinstance(
        events._appender, PostgresAppender
    ):  # there, several streams don't share a commit
        outcomes = events._appender._together([one for [one] in requests])
        return [[one] if isinstance(one, Appended) else one for one in outcomes]
    return events._appender._together(requests)


def places_are_kept(events, asked, outcomes):
    """Each was told the version and position that its last event has."""
    kept = {one.position: one for one in events.read_all(limit=1000)}
    for entries, outcome in zip(asked, outcomes, strict=True):
        for (stream, _, ns), told in zip(entries, outcome, strict=True) if outcome else ():
            found = kept[told.position]
            assert (found.stream, found.version) == (stream, told.version)
            assert found.data["n"] == list(ns)[-1]


def test_who_waits_together_is_judged_apart(events):
    """Alone or several, to one stream or more, at the right version or a wrong one: in one transaction."""
    events.append("a", [happened(1), happened(2)])
    asked = [
        [("a", 2, [3])],
        [("a", 2, [99])],
        [("b", 0, [1])],
        [("c", 7, [99])],
        [("d", None, [1])],
        [("d", None, [2, 3])],
        [("e", 0, [1, 2, 3])],
        *[[(f"many {n}", 0, [n])] for n in range(120)],
    ]
    outcomes = appended_together(events, *asked)
    lost = {n: one for n, one in enumerate(outcomes) if isinstance(one, VersionConflict)}
    assert {n: (one.stream, one.actual, one.winner.type) for n, one in lost.items()} == {
        1: ("a", 3, "thing.done"),
        3: ("c", 0, None),
    }
    places_are_kept(events, asked, [None if n in lost else one for n, one in enumerate(outcomes)])
    written = {name: numbers(events.read(name)) for name in "abcde"}
    assert written == {"a": [1, 2, 3], "b": [1], "c": [], "d": [1, 2, 3], "e": [1, 2, 3]}
    assert len(events.read_all(limit=1000)) == 10 + 120


def test_several_streams_of_one_are_all_or_none_among_those_who_wait_together(sqlite_store):
    events = EventStore(sqlite_store.main)
    asked = [
        [("a", 0, [1])],
        [("b", 0, [1]), ("a", 0, [99])],  # lost to the one before it: none of its rows
        [("b", 0, [1])],
        [("a", 1, [2, 3]), ("c", None, [1]), ("c", None, [2])],
        [("b", None, [2])],
        [("a", 3, range(4, 130))],
    ]
    outcomes = appended_together(events, *asked)
    assert isinstance(outcomes[1], VersionConflict) and outcomes[1].actual == 1
    places_are_kept(events, asked, [None if n == 1 else one for n, one in enumerate(outcomes)])
    written = {name: numbers(events.read(name)) for name in "abc"}
    assert written == {"a": list(range(1, 130)), "b": [1, 2], "c": [1, 2]}


def test_the_key_of_personal_data_is_kept_beside_its_event(events, store):
    named = Event(type="thing.done", data=1, extensions={"subjectkey": "person:ada"})
    events.append("thing:1", [named, happened()])
    with store.main.read() as session:
        found = session.execute(text("SELECT subject_key FROM stored_events ORDER BY version"))
        assert list(found.scalars()) == ["person:ada", None]


def test_rows_are_immutable(events, store):
    events.append("thing:1", happened())
    statements = ["UPDATE stored_events SET actor = 'me'", "DELETE FROM stored_events"]
    if store.main.on_sqlite:
        statements.append("INSERT OR REPLACE INTO stored_events SELECT * FROM stored_events")
    else:
        statements.append("TRUNCATE stored_events")
    for statement in statements:
        with pytest.raises(DBAPIError, match="immutable"), store.main.session() as session:
            session.execute(text(statement))
    assert len(list(events.read("thing:1"))) == 1


def test_bad_data_never_enters(events, types):
    @event_type("thing.counted", types=types)
    class Counted(BaseModel):
        n: int

    with pytest.raises(InvalidEvents, match=r"data\.n") as caught:
        events.append_many([("thing:1", [happened(), happened("x", "thing.counted")], None)])
    assert caught.value.problems[0]["index"] == 1
    assert events.head() == 0
    events.append("thing:1", Event(type="thing.counted", data=Counted(n=3)))
    assert next(events.read("thing:1")).data == Counted(n=3)


def test_old_data_is_read_as_the_newest_class_through_every_upcaster(events, types):
    events.append(
        "thing:1",
        Event(type="thing.counted", data={"n": 1}, dataschema="urn:penstock:thing.counted:1"),
    )

    @event_type("thing.counted", version=3, types=types)
    class Counted(BaseModel):
        count: int
        unit: str

    with pytest.raises(Refused, match=r"@upcast\('thing.counted', 1\)"):
        list(events.read("thing:1"))
    assert [each.data for each in events.read_all(typed=False)] == [{"n": 1}]
    upcast("thing.counted", 1, types=types)(lambda data: {"count": data["n"]})
    upcast("thing.counted", 2, types=types)(lambda data: {**data, "unit": "m"})
    assert next(events.read("thing:1")).data == Counted(count=1, unit="m")
    assert events.read_all()[0].data == Counted(count=1, unit="m")


def test_what_can_not_be_appended(events):
    with pytest.raises(Refused, match="nothing to append"):
        events.append("thing:1", [])
    for name in ("", "a\nb", "x" * 200):
        with pytest.raises(Refused):
            events.append(name, happened())
    for odd, named in (("text", "'str'"), ({"type": "a.b"}, "'dict'"), (Event, "'StructMeta'")):
        with pytest.raises(Refused, match=f"{named} is no event"):
            events.append("s:1", odd)
    for odd in ([{"type": "a.b"}], [Event(type="a.b"), "b"], iter(()), None):
        with pytest.raises(Refused, match=r"Nothing was appended|nothing to append"):
            events.append("s:1", odd)
    for odd in ("1", 1.0, True):
        with pytest.raises(Refused, match="expected_version"):
            events.append("s:1", [Event(type="a.b")], odd)
    with pytest.raises(InvalidEvents, match="Nothing was appended"):
        events.append("s:1", Event(type="a.b", data=object()))
    for odd in ("1", 1.5, True):
        with pytest.raises(Refused, match="from_version is"):
            list(events.read("s:1", odd))
    for odd in ("1", None, 2**64):
        with pytest.raises(Refused, match="whole numbers"):
            events.read_all(after=odd)
    assert events.append("s:9", (Event(type="a.b") for _ in range(2)), 0).version == 2
    with pytest.raises(Refused, match="expected_version"):
        events.append("thing:1", happened(), -1)
    for odd in (5, b"ada"):
        with pytest.raises(Refused, match="actor"):
            events.append("thing:1", happened(), actor=odd)
    with pytest.raises(InvalidEvents, match="data"):
        events.append("thing:1", Event(type="thing.done", data="half a pair: \ud800"))
    with pytest.raises(InvalidEvents, match="SimpleNamespace"):
        events.append("thing:1", Event(type="thing.done", data=SimpleNamespace()))
    events.append("thing:1", Event(type="thing.done", data="nul \0 and \U0001f40d"))
    assert next(events.read("thing:1")).data == "nul \0 and \U0001f40d"


@pytest.mark.parametrize("letter", ["x", "я"])
def test_what_its_topic_would_refuse_is_not_appended(events, types, letter):
    """The topic counts bytes, and there an event has a time and a correlation that it lacks here."""
    catalogue = Catalogue(types)
    topics = SimpleNamespace(partitions=lambda _: 1)
    prepare = Preparer(catalogue, topics, SystemClock(), LARGEST_EVENT).prepare
    for id in ("1", "x" * 400):
        stream = f"thing:{len(id)}"
        empty = len(Event(type="thing.done", data="", id=id, time=T).to_bytes())
        most = (LARGEST_EVENT - empty) // len(letter.encode())
        for less in (0, 60, 300, 1000):
            made = Event(type="thing.done", data=letter * (most - less), id=id, time=T)
            with suppress(EventTooLarge):
                events.append(stream, made)
        assert events.version(stream) > 0
        with pytest.raises(EventTooLarge, match="bytes"):
            events.append("thing:1", Event(type="thing.done", data=letter * most, id=id, time=T))
    for kept in events.read_all(typed=False):
        prepare([kept.event])


def test_of_many_at_the_same_version_one_wins(events):
    results = []

    def append(n):
        try:
            events.append("thing:1", [happened(n), happened(n)], 0, actor=f"writer:{n}")
            results.append(n)
        except VersionConflict as conflict:
            results.append(conflict)

    threads = [threading.Thread(target=append, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    winners = [each for each in results if isinstance(each, int)]
    assert len(results) == 8 and len(winners) == 1
    assert numbers(events.read("thing:1")) == winners * 2
    losers = [each for each in results if not isinstance(each, int)]
    assert {each.winner.actor for each in losers} == {f"writer:{winners[0]}"}


def test_writers_who_expect_nothing_all_get_in_and_leave_no_hole(events):
    def append():
        for _ in range(25):
            events.append("thing:1", [happened(), happened()])

    threads = [threading.Thread(target=append) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [each.version for each in events.read("thing:1")] == list(range(1, 401))
