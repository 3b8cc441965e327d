"""A projection's builds: whose tables they are, who is paused, and how a build takes the live one's place."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest
from sqlmodel import Field, select
from structlog.testing import capture_logs

from app import projection
from app.cli import projections as watching
from app.cqrs import tables
from app.cqrs.declaration import Followers
from app.cqrs.follower import Follower
from app.cqrs.following import Following
from app.cqrs.reaching import sentence
from app.errors import Conflict
from app.store import followers
from app.store.followers import BUILDING, LIVE
from app.testing import InMemoryPlatform
from tests.cqrs.test_projections import (
    Base,
    Sales,
    beat,
    beside,
    declare,
    follow,
    sell,
    shop,
    sold,
)

__all__ = ["shop"]

PATIENCE = 60.0


class Buyers(Base, table=True):
    __tablename__ = "test_buyers"

    name: str = Field(primary_key=True)
    bought: int = 0


def declare_with_buyers(platform, version: int = 1) -> None:
    """The release that keeps another table."""
    platform.followers = Followers()

    @projection(
        "sales", version, [Sales, Buyers], types=["item.sold"], followers=platform.followers
    )
    def sales(event, view):
        row = view.get(Sales, event.subject) or view.add(Sales(item=event.subject, pieces=0))
        row.pieces += event.data
        buyer = view.get(Buyers, "ann") or view.add(Buyers(name="ann"))
        buyer.bought += event.data


def bought(platform) -> int:
    with platform.database.read() as session:
        return session.exec(select(Buyers)).one().bought


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.005)


def test_a_table_more_without_a_version_more_stops_it_instead_of_half_filling_that(shop):
    sell(shop, 1, 2)
    follow(shop)
    declare_with_buyers(shop)
    sell(shop, 4)
    changed = Following(shop, "another release")
    follow(shop, changed)
    told = shop.projections.get("sales")
    assert (told["state"], sold(shop)) == ("stopped", {"tea": 3})
    assert "they are test_sales, and the code has test_sales, test_buyers" in told["problem"]

    shop.projections.rebuild("sales", "cli")
    follow(shop, changed)
    assert (sold(shop), bought(shop)) == ({"tea": 7}, 7)
    assert shop.projections.get("sales")["state"] == "running"


def test_a_reset_takes_the_tables_of_the_code_that_is_there(shop):
    sell(shop, 1, 2)
    follow(shop)
    declare_with_buyers(shop)
    changed = Following(shop, "another release")
    follow(shop, changed)
    for _ in range(2):
        shop.projections.reset("sales", "cli")
        follow(shop, changed)
        assert (sold(shop), bought(shop)) == ({"tea": 3}, 3)


def test_a_build_that_is_cancelled_leaves_no_table_for_the_next_of_its_number(shop):
    sell(shop, 1, 2)
    follow(shop)
    declare_with_buyers(shop)
    changed = Following(shop, "another release")
    shop.projections.rebuild("sales", "cli")
    changed.step()
    assert "test_buyers__2" in tables_there(shop)
    shop.projections.cancel("sales", "cli")
    assert not [name for name in tables_there(shop) if name.endswith("__2")]

    # One that an earlier release left behind.
    with shop.database.session() as session:
        tables.make(session.connection(), list(tables.suffixed([Sales], 2).values()))
        session.connection().exec_driver_sql("INSERT INTO test_sales__2 VALUES ('tea', 1000)")
    shop.projections.rebuild("sales", "cli")
    follow(shop, changed)
    assert (sold(shop), bought(shop), beside(shop)) == ({"tea": 3}, 3, [])


@pytest.mark.parametrize("keeper", [None, "notes"])
def test_a_table_that_the_next_version_has_no_more_is_dropped_with_the_switch(shop, keeper):
    sell(shop, 1)
    follow(shop)
    with shop.database.session() as session:  # as a release whose class is there no more left it
        session.connection().exec_driver_sql(
            "CREATE TABLE test_notes (item varchar(200)"
            + (" REFERENCES test_sales (item))" if keeper is None else ")")
        )
        row = followers.locked(session, "sales", 1)
        row.tables = ["test_sales", "test_notes"]
        session.add(row)
        if keeper:
            followers.begin(session, keeper, 1, "projection", 1, LIVE, ["test_notes"], 0.0)
    declare(shop, version=2)
    follow(shop, Following(shop, "version 2"))
    assert (sold(shop), shop.projections.get("sales")["version"]) == ({"tea": 1}, 2)
    assert ("test_notes" in tables_there(shop)) is (keeper is not None)
    if keeper is None:
        return
    with shop.database.session() as session:
        tables.drop(session.connection(), ["test_notes"])


def test_a_table_that_the_code_still_has_a_class_for_is_left_to_other_code(shop):
    declare_with_buyers(shop)
    sell(shop, 1)
    follow(shop, Following(shop, "version 1"))
    shop.followers = Followers()
    declare(shop, version=2)
    follow(shop, Following(shop, "version 2"))
    assert (bought(shop), shop.projections.get("sales")["version"]) == (1, 2)


def tables_there(platform) -> list[str]:
    with platform.database.read() as session:
        return tables.inspect(session.connection()).get_table_names()


def test_what_is_paused_stays_paused_when_it_is_built_anew(shop):
    sell(shop, 1)
    follow(shop)
    shop.projections.pause("sales", "cli")
    shop.projections.rebuild("sales", "cli")
    sell(shop, 2)
    follow(shop)
    told = shop.projections.get("sales")
    assert (told["state"], told["building"]["position"], sold(shop)) == ("paused", 0, {"tea": 1})

    declare(shop, version=2, factor=10)
    newer = Following(shop, "newer")
    follow(shop, newer)
    told = shop.projections.get("sales")
    assert (told["state"], told["version"], sold(shop)) == ("paused", 1, {"tea": 1})
    shop.projections.resume("sales", "cli")
    follow(shop, newer)
    told = shop.projections.get("sales")
    assert (told["state"], told["version"], sold(shop)) == ("running", 2, {"tea": 30})


def test_a_build_never_takes_the_place_of_tables_that_are_further(shop):
    """Its owner found nothing to read and then stood still, until another had followed in its place."""
    sell(shop, 1, 2)
    follow(shop)
    shop.projections.rebuild("sales", "cli")
    stalled = Follower(shop, shop.followers.declared["sales"])
    stalled._advance(build_of(shop, BUILDING))
    seen = build_of(shop, BUILDING)
    sell(shop, 4)
    head = shop.event_store.head()
    Follower(shop, shop.followers.declared["sales"])._advance(build_of(shop, LIVE))
    assert shop.projections.wait("sales", head, 0)

    stalled._switch(seen)
    assert shop.projections.wait("sales", head, 0) and sold(shop) == {"tea": 7}
    follow(shop)
    told = shop.projections.get("sales")
    assert (told["building"], told["position"], sold(shop)) == (None, head, {"tea": 7})


def build_of(platform, state: str) -> followers.FollowerRow:
    with platform.database.read() as session:
        (row,) = [one for one in followers.builds(session, "sales") if one.state == state]
        return row


def test_a_turn_ends_after_a_while_however_many_events_there_are(shop, monkeypatch):
    """On SQLite it holds up whoever appends."""
    monkeypatch.setattr("app.cqrs.follower.TURN", 0.0)
    sell(shop, 1, 2, 3)
    assert shop.following.step() == 1
    assert sold(shop) == {"tea": 1} and shop.projections.position("sales") == 1
    monkeypatch.undo()
    follow(shop)
    assert sold(shop) == {"tea": 6}


def test_a_function_that_blocks_is_named_in_the_log_and_shown_while_it_does(shop, monkeypatch):
    monkeypatch.setattr("app.cqrs.following.SLOW", 0.0)
    monkeypatch.setattr("app.cqrs.held_up.LONG", 0.0)
    begun, ended = threading.Event(), threading.Event()

    def blocks(event, view):
        begun.set()
        ended.wait(PATIENCE)

    shop.followers = Followers()
    projection("sales", 1, [Sales], followers=shop.followers)(blocks)
    sell(shop, 1)
    thread = threading.Thread(target=shop.following.step)
    thread.start()
    try:
        assert begun.wait(PATIENCE)
        with capture_logs() as told:
            shop.following.look()
            shop.following.look()
        assert [one["follower"] for one in told] == ["sales"]
        beat(shop, "sales", held_up=shop.following.held_up())
        slow = shop.projections.get("sales")["slow"]
        assert (slow["position"], slow["type"], slow["worker"]) == (1, "item.sold", "pc-1")
        (one,) = shop.projections.stopped()
        assert "at item.sold, position 1" in one["why"] and "stop the worker pc-1" in one["why"]
    finally:
        ended.set()
        thread.join(PATIENCE)
    beat(shop, "sales", held_up=shop.following.held_up())
    assert (shop.projections.get("sales")["slow"], shop.projections.stopped()) == (None, [])
    with capture_logs() as told:
        shop.following.look()
    assert told == []


def test_one_that_waits_for_another_ones_tables_is_told_so_to_who_waits_for_it(shop):
    sell(shop, 1)
    follow(shop)
    shop.followers = Followers()

    @projection("turnover", 1, [Sales], types=["item.sold"], followers=shop.followers)
    def turnover(event, view): ...

    follow(shop, Following(shop, "renamed"))
    with pytest.raises(Conflict, match="no tables of its own yet"):
        shop.projections.wait_for("turnover", 1, 0)


def test_a_test_in_memory_sees_a_build_that_is_stopped():
    twin = InMemoryPlatform(handlers=[])
    shop = twin.platform
    shop.followers = Followers()
    declare(shop)
    sell(shop, 1)
    twin.run()
    assert twin.stopped == {}
    declare(shop, version=2, factor="many")
    shop.following = Following(shop, "newer")
    twin.run()
    assert "TypeError" in twin.stopped["sales"] and sold(shop) == {"tea": 1}


def test_one_that_left_an_event_out_says_so_to_who_waits_for_it(shop):
    declare(shop, on_error="skip")
    sell(shop, 1, "poison", 2)
    follow(shop)
    told = [shop.projections.wait_for("sales", position, 0) for position in (1, 2, 3)]
    assert [(one["reached"], one["left_out"]) for one in told] == [
        (True, False), (True, True), (True, False)]  # fmt: skip
    assert "left out the event there" in sentence(told[1])


def test_who_watches_a_rebuild_is_told_why_it_does_not_go_on(shop, monkeypatch):
    monkeypatch.setattr(watching, "ALONE", 0.0)
    sell(shop, 1)
    follow(shop)
    shop.projections.rebuild("sales", "cli")
    with pytest.raises(Conflict, match="No worker follows the event store"):
        watching._watch(shop, "sales")
    assert shop.following.is_active()
    beat(shop)
    with pytest.raises(Conflict, match="No live worker has the code of sales"):
        watching._watch(shop, "sales")
    beat(shop, "sales")
    assert watching._alone(shop, shop.projections.get("sales")) is None
    shop.projections.pause("sales", "cli")
    with pytest.raises(Conflict, match="is paused, and so is its rebuild"):
        watching._watch(shop, "sales")


def test_a_switch_while_others_append_read_and_follow_takes_nothing_back(shop, monkeypatch):
    """What was reached stays reached, no row is missing, and the tables are always there.

    One owner's term ends while it is about to switch; the next one has not come to the build yet.
    """
    sell(shop, *[1] * 5)
    follow(shop)
    shop.projections.rebuild("sales", "cli")
    told, wrong, opened = [(shop.event_store.head(), 5)], list[str](), list[int]()
    about, overtaken, switched, ended = (threading.Event() for _ in range(4))
    late, quick = Following(shop, "late"), Following(shop, "quick")
    advance, switch, replace = Follower._advance, Follower._switch, tables.switch

    def append() -> None:
        pieces = told[-1][1] + 1
        sell(shop, 1)
        told.append((shop.event_store.head(), pieces))  # nobody else appends
        shop.projections.wait("sales", told[-1][0], 0.5)

    def read() -> None:
        position, pieces = told[-1]
        if shop.projections.wait("sales", position, 0.05):
            found = sold(shop)["tea"]
            if found < pieces:
                wrong.append(f"{position} was reached with {found} of {pieces}")
            elif not shop.projections.wait("sales", position, 0):
                wrong.append(f"{position} was reached, and is no more")

    def advanced(follower: Follower, seen) -> int:
        is_held = overtaken.is_set() or seen.state == BUILDING
        if is_held and not switched.is_set() and threading.current_thread().name != "late":
            return 0
        return advance(follower, seen)

    def held_up(follower: Follower, seen) -> None:
        if not switched.is_set():
            reached = shop.projections.position("sales")
            about.set()
            until(lambda: shop.projections.position("sales") > reached)
            overtaken.set()
        reached = shop.projections.position("sales")
        try:
            switch(follower, seen)
            if shop.projections.position("sales") < reached:
                wrong.append(f"{reached} was reached, and is no more")
        finally:  # put off, where a reader was in the way: the next one does it
            switched.set()

    def slowly(connection, classes, left) -> None:
        """While it is open, others append, read and follow."""
        replace(connection, classes, left)
        opened.append(len(told))
        ended.wait(0.2)

    monkeypatch.setattr(Follower, "_advance", advanced)
    monkeypatch.setattr(Follower, "_switch", held_up)
    monkeypatch.setattr(tables, "switch", slowly)

    def follow_when_the_other_stands_still() -> None:
        until(lambda: about.is_set() or ended.is_set())
        quick.step()

    work = {"append": append, "read": read, "late": late.step,
            "quick": follow_when_the_other_stands_still}  # fmt: skip

    def keep(name: str) -> None:
        try:
            while not ended.is_set():
                work[name]()
        except BaseException as error:
            wrong.append(f"{name}: {error!r}")
            raise

    threads = [threading.Thread(target=keep, args=(name,), name=name) for name in work]
    for thread in threads:
        thread.start()
    try:
        until(lambda: bool(wrong) or (bool(opened) and not beside(shop)))
        until(lambda: bool(wrong) or len(told) > opened[0] + 5)
    finally:
        ended.set()
        for thread in threads:
            thread.join(PATIENCE)
    assert wrong == []
    follow(shop)
    assert sold(shop) == {"tea": told[-1][1]}


def test_without_any_wake_up_a_running_one_follows_all_the_same(shop, monkeypatch):
    sell(shop, 1)
    follow(shop)
    monkeypatch.setattr(shop.event_store, "_wake", lambda: None)
    monkeypatch.setattr(shop.wakes, "announce", lambda *what: None)
    stopping = threading.Event()
    thread = threading.Thread(target=shop.following.run, args=(stopping,))
    thread.start()
    try:
        for number in range(2, 5):
            sell(shop, 1)
            until(lambda number=number: sold(shop) == {"tea": number})
    finally:
        stopping.set()
        thread.join(PATIENCE)
    assert not thread.is_alive()
