"""Projections and reactors: once, whoever dies, whoever else runs, while they are built anew."""

from __future__ import annotations

import sqlite3
import threading
import time
from concurrent.futures import CancelledError

import msgspec
import pytest
import redis
from sqlalchemy import event as hooks
from sqlalchemy import inspect, text
from sqlalchemy.exc import DBAPIError
from sqlmodel import Field, SQLModel, select

from app import projection, reactor
from app.cqrs.declaration import Declared, Followers
from app.cqrs.follower import Follower
from app.cqrs.following import Following
from app.cqrs.reaching import sentence
from app.errors import Conflict, NotFound, Refused, Unavailable
from app.events.event import Event
from app.store import outbox
from app.streams import keys


class Base(SQLModel):
    """Beside the platform's own tables, so that no other test meets these."""

    metadata = type(SQLModel.metadata)()


class Sales(Base, table=True):
    __tablename__ = "test_sales"

    item: str = Field(primary_key=True)
    pieces: int = Field(default=0, index=True)


class Another(SQLModel):
    metadata = type(SQLModel.metadata)()


class Wider(Another, table=True):
    """Sales, as another release declares it."""

    __tablename__ = "test_sales"

    item: str = Field(primary_key=True)
    pieces: int = 0
    shop: str = ""


class Pages(Base, table=True):
    __tablename__ = "test_pages"

    name: str = Field(primary_key=True)


class Killed(BaseException):
    """Stands for the end of the process."""


def declare(platform, version: int = 1, factor: int = 1, **options) -> None:
    @projection(
        "sales", version, [Sales], types=["item.sold"], followers=platform.followers, **options
    )
    def sales(event, view):
        if event.data == "poison":
            raise ValueError("poison")
        row = view.get(Sales, event.subject) or view.add(Sales(item=event.subject, pieces=0))
        row.pieces += event.data * factor


@pytest.fixture
def shop(platform):
    platform.followers = Followers()
    declare(platform)
    return platform


def sell(platform, *pieces, item: str = "tea") -> None:
    events = [Event(type="item.sold", subject=item, data=one) for one in pieces]
    platform.event_store.append(f"item-{item}", events)


def sold(platform) -> dict[str, int]:
    with platform.database.read() as session:
        return {row.item: row.pieces for row in session.exec(select(Sales))}


def follow(platform, following: Following | None = None) -> None:
    following = following or platform.following
    for _ in range(100):
        if not following.step() and not following.step():
            return
    raise AssertionError("it never ends")


def test_it_catches_up_from_zero_in_batches(shop):
    sell(shop, *[1] * 2500)
    sell(shop, 5, item="milk")
    follow(shop)

    assert sold(shop) == {"tea": 2500, "milk": 5}
    (told,) = shop.projections.list()
    assert (told["state"], told["lag"]) == ("running", 0)


def test_a_kill_at_every_statement_counts_nothing_twice(shop):
    sell(shop, 1)
    follow(shop)
    sell(shop, 2, 3)
    engine = shop.database.engine
    statements = 0
    while True:
        left = [statements]

        def kill(*_, left=left):
            if left[0] == 0:
                raise Killed
            left[0] -= 1

        hooks.listen(engine, "before_cursor_execute", kill)
        try:
            Following(shop, "other").step()
        except Killed:
            statements += 1
            continue
        finally:
            hooks.remove(engine, "before_cursor_execute", kill)
        break
    follow(shop)

    assert statements >= 5
    assert sold(shop) == {"tea": 6}


def test_a_server_that_fails_in_the_middle_of_a_change_is_told_in_words(shop):
    """And nothing of the change stays open: SQLite's lock would be held for ever."""
    sell(shop, 1)
    follow(shop)
    engine = shop.database.engine

    @hooks.listens_for(engine, "before_cursor_execute")
    def on_the_builds(connection, cursor, sql, parameters, context, many):
        if "followers" in sql:
            raise DBAPIError(sql, None, sqlite3.OperationalError("disk I/O error"))

    with pytest.raises(Unavailable, match="disk"):
        shop.projections.rebuild("sales", "cli")
    hooks.remove(engine, "before_cursor_execute", on_the_builds)
    assert engine.pool.checkedout() == 0
    shop.projections.rebuild("sales", "cli")


def test_two_who_follow_at_once_count_once(shop, monkeypatch):
    sell(shop, 1)
    follow(shop)
    sell(shop, 10)
    other = Following(shop, "other")
    read_all = shop.event_store.read_all

    def overtaken(*args, **options):
        monkeypatch.undo()
        found = read_all(*args, **options)
        follow(shop, other)  # between our reading and our writing
        return found

    monkeypatch.setattr(shop.event_store, "read_all", overtaken)
    follow(shop)
    assert sold(shop) == {"tea": 11}


def test_one_process_follows_and_another_takes_over_when_it_resigns(shop):
    one, other = Following(shop, "one"), Following(shop, "other")
    assert one.is_active() and not other.is_active()
    one.resign()
    assert other.is_active() and not one.is_active()


def test_it_is_rebuilt_beside_the_live_one_while_events_keep_coming(shop, monkeypatch):
    monkeypatch.setattr("app.cqrs.follower.BATCH", 10)
    mails = []

    @reactor(
        "item.sold",
        emits=["mail.wanted"],
        name="mailer",
        start="earliest",
        followers=shop.followers,
    )
    def mailer(event, view):
        mails.append(event.id)
        return Event(type="mail.wanted", data=event.data)

    sell(shop, *[1] * 35)
    follow(shop)
    assert len(mails) == 35
    declare(shop, version=2, factor=100)
    shop.following = Following(shop, "newer")
    states = []
    for number in range(40):
        shop.following.step()
        states.append(sold(shop)["tea"])
        if number < 5:
            sell(shop, 1)
    follow(shop)

    assert sold(shop) == {"tea": 4000}
    assert set(states) <= {35, *range(3500, 4001, 100)}  # old or new and whole, nothing in between
    assert len(mails) == len(set(mails)) == 40
    (told,) = [one for one in shop.projections.list() if one["name"] == "sales"]
    assert (told["version"], told["building"], told["lag"]) == (2, None, 0)
    with shop.database.read() as session:
        assert len(outbox.due(session, shop.clock.now(), 100)) == 40


def test_a_rebuild_calls_no_mailer(shop):
    mails = []

    @reactor(
        "item.sold",
        emits=["mail.wanted"],
        name="mailer",
        start="earliest",
        followers=shop.followers,
    )
    def mailer(event, view):
        mails.append(event.data)

    sell(shop, 1, 2)
    follow(shop)
    shop.projections.rebuild("sales", "user:ann")
    with pytest.raises(Conflict, match="already"):
        shop.projections.rebuild("sales", "user:ann")
    with pytest.raises(Refused, match="reactor"):
        shop.projections.rebuild("mailer", "user:ann")
    follow(shop)
    assert mails == [1, 2]  # every event was read anew, and no mail was sent for it
    sell(shop, 3)
    follow(shop)

    assert sold(shop) == {"tea": 6}
    assert mails == [1, 2, 3]
    assert [one["lag"] for one in shop.projections.list()] == [0, 0]
    assert shop.audit.find(action="projection.rebuilt").items[0]["actor"] == "user:ann"


def test_a_switch_waits_for_a_reader_for_a_moment_only(shop, monkeypatch):
    """All who read after it wait behind it, and so does every other projection."""
    monkeypatch.setattr("app.cqrs.tables.PATIENCE", "100ms")
    sell(shop, 1, 2)
    follow(shop)
    shop.projections.rebuild("sales", "cli")
    follower = Follower(shop, shop.followers.declared["sales"])

    def build() -> None:
        while shop.projections.get("sales")["building"]:
            follower.step()

    with shop.database.engine.connect() as reader:
        if not shop.database.on_sqlite:
            reader.exec_driver_sql("SET idle_in_transaction_session_timeout = '20s'")
        assert reader.execute(text("SELECT pieces FROM test_sales")).all() == [(3,)]
        if not shop.database.on_sqlite:  # there it waits for no reader
            with pytest.raises(Unavailable, match="holds the lock"):
                build()
        assert sold(shop) == {"tea": 3}
    build()
    assert sold(shop) == {"tea": 3}


def test_a_poison_event_stops_it_and_an_operator_skips_it(shop):
    sell(shop, 1, "poison", 2)
    follow(shop)
    told = shop.projections.get("sales")
    assert (told["state"], told["lag"], sold(shop)) == ("stopped", 2, {"tea": 1})
    assert "ValueError: poison" in told["problem"]
    by = told["stopped_by"]
    assert (by["position"], by["type"], by["error"]) == (2, "item.sold", "ValueError: poison")
    (why,) = shop.projections.stopped()
    assert why["why"] == "Its code fails on item.sold at the position 2."

    shop.projections.resume("sales", "cli")
    follow(shop)
    assert shop.projections.get("sales")["state"] == "stopped"
    shop.projections.skip("sales", "cli")
    follow(shop)
    told = shop.projections.get("sales")
    assert (told["state"], told["lag"], sold(shop)) == ("running", 0, {"tea": 3})
    assert told["skipped"] == [{"position": 2, "type": "item.sold", "error": "ValueError: poison"}]
    (line,) = shop.audit.find(action="projection.skipped").items
    stood = {"state": "stopped", "position": 1, "skipped": 0, "building": None}
    assert (line["before"], line["after"]) == (
        stood, {**stood, "state": "running", "position": 2, "skipped": 1},
    )  # fmt: skip
    shop.projections.rebuild("sales", "cli", "why not")
    shop.projections.cancel("sales", "cli")
    (began,) = shop.audit.find(action="projection.rebuilt").items
    (ended,) = shop.audit.find(action="projection.cancelled").items
    assert (began["before"]["building"], began["after"]["building"]) == (None, 0)
    assert (ended["before"]["building"], ended["after"]["building"]) == (0, None)
    assert began["details"]["reason"] == "why not"


def test_what_is_refused_stops_its_projection_and_no_other(shop):
    """A projection that returns events, as only a reactor may, and whatever else code refuses."""
    shop.followers.declared = {
        "first": Declared("first", "projection", lambda event, view: [event], tables=(Pages,)),
        **shop.followers.declared,
    }
    sell(shop, 1)
    follow(shop)
    assert "use @reactor" in shop.projections.get("first")["problem"]
    assert sold(shop) == {"tea": 1}


def test_a_poison_event_is_skipped_where_the_author_chose_so(shop):
    declare(shop, on_error="skip")
    sell(shop, 1, "poison", 2)
    follow(shop)
    assert sold(shop) == {"tea": 3}
    assert len(shop.projections.get("sales")["skipped"]) == 1


def raising(shop, fails) -> None:
    """A projection beside the shop's own, whose code fails in a way of its own."""
    declared = Declared("first", "projection", fails, tables=(Pages,), on_error="skip")
    shop.followers.declared = {"first": declared, **shop.followers.declared}


@pytest.mark.parametrize("lost", [FileNotFoundError("x.csv"), redis.ConnectionError("theirs")])
def test_a_connection_of_the_author_that_is_lost_is_a_failure_of_its_function(shop, lost):
    def fails(event, view):
        if event.data == 2:
            raise lost

    raising(shop, fails)
    sell(shop, 1, 2, 3)
    follow(shop)
    told = shop.projections.get("first")
    assert (told["state"], told["lag"]) == ("running", 0)
    assert [type(lost).__name__ in one["error"] for one in told["skipped"]] == [True]


def test_a_table_that_the_author_forgot_is_a_failure_and_a_database_that_is_away_is_waited_for(
    shop,
):
    def fails(event, view):
        if event.data == 2:
            view.session.execute(text("SELECT * FROM forgotten"))
        if event.data == 3 and shop.database.on_sqlite:
            view.session.execute(text("PRAGMA query_only = ON"))
            try:
                view.session.execute(text("DELETE FROM followers"))
            finally:
                view.session.execute(text("PRAGMA query_only = OFF"))
        elif event.data == 3:
            view.session.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))

    raising(shop, fails)
    sell(shop, 1, 2, 3)
    follow(shop)
    told = shop.projections.get("first")
    assert (told["state"], told["position"]) == ("running", 2)
    assert ["forgotten" in one["error"] for one in told["skipped"]] == [True]
    assert sold(shop) == {"tea": 6}


def test_code_that_is_older_than_what_is_live_says_so_until_the_newer_is_back(shop):
    sell(shop, 1)
    follow(shop)
    declare(shop, version=2)
    follow(shop, Following(shop, "newer"))
    declare(shop, version=1)
    sell(shop, 2)
    follow(shop, Following(shop, "rolled back"))
    told = shop.projections.get("sales")
    assert (told["state"], told["version"], told["lag"]) == ("stopped", 2, 1)
    assert "This version of the code of sales, 1, is older than what is live: 2" in told["problem"]

    declare(shop, version=2)
    follow(shop, Following(shop, "newer again"))
    told = shop.projections.get("sales")
    assert (told["state"], told["problem"], sold(shop)) == ("running", None, {"tea": 3})


def test_tables_whose_code_gave_way_to_a_newer_version_are_told_to_stand_still(shop, monkeypatch):
    sell(shop, 1)
    follow(shop)
    sell(shop, 2, 3)
    monkeypatch.setattr("app.cqrs.follower.BATCH", 1)
    declare(shop, version=2)
    newer = Following(shop, "newer")
    newer.step()
    told = shop.projections.wait_for("sales", 3, 0)
    assert (told["reached"], told["state"], told["behind"]["events"]) == (False, "superseded", 2)
    assert "sales stands still until its new version" in sentence(told)
    assert shop.projections.get("sales")["state"] == "superseded" and sold(shop) == {"tea": 1}

    declare(shop, version=1)  # rolled back: its code is there again
    follow(shop, Following(shop, "older"))
    assert shop.projections.get("sales")["state"] == "running" and sold(shop) == {"tea": 6}
    declare(shop, version=2)
    follow(shop, newer)
    told = shop.projections.get("sales")
    assert (told["state"], told["version"], told["building"]) == ("running", 2, None)


def beat(shop, *follows: str, **more) -> None:
    """A worker lives whose code has these."""
    now, micros = shop.redis.time()
    told = {"beat": now + micros / 1e6, "lanes": ["system"], "follows": follows, **more}
    shop.redis.hset(keys.WORKERS, "pc-1", msgspec.json.encode(told))


def test_under_a_new_name_it_counts_nothing_twice_and_takes_the_place_of_the_removed_one(shop):
    sell(shop, 1, 2)
    follow(shop)
    shop.followers = Followers()

    @projection("turnover", 1, [Sales], types=["item.sold"], followers=shop.followers)
    def turnover(event, view):
        row = view.get(Sales, event.subject) or view.add(Sales(item=event.subject, pieces=0))
        row.pieces += event.data * 10

    sell(shop, 4)
    renamed = Following(shop, "renamed")
    follow(shop, renamed)
    assert sold(shop) == {"tea": 3}  # as the old one left it
    assert "remove sales when no worker" in shop.projections.get("turnover")["problem"]
    assert [one["name"] for one in shop.projections.stopped()] == ["turnover"]

    told = shop.projections.get("turnover")
    assert (told["live"], told["declared"]) == (False, None)  # no worker is alive
    with pytest.raises(Conflict, match="no tables of its own yet"):
        shop.projections.reset("turnover", "user:ann")
    assert sold(shop) == {"tea": 3}

    beat(shop, "sales")
    with pytest.raises(Conflict, match="still there, in pc-1"):
        shop.projections.remove("sales", "user:ann")
    beat(shop, "turnover")
    declared = {one["name"]: one.get("declared") for one in shop.projections.all()}
    assert (declared["turnover"], declared["sales"], declared["runs"]) == (True, False, None)
    assert shop.projections.remove("sales", "user:ann", "renamed") == []
    follow(shop, renamed)
    assert sold(shop) == {"tea": 70}
    (told,) = shop.projections.list()
    assert (told["name"], told["state"], told["building"]) == ("turnover", "running", None)
    assert beside(shop) == []

    shop.projections.rebuild("turnover", "user:ann")
    beat(shop)
    assert shop.projections.remove("turnover", "user:ann") == ["test_sales"]
    assert shop.projections.list() == []
    assert not [
        name for name in inspect(shop.database.engine).get_table_names() if "test_sales" in name
    ]
    (line,) = shop.audit.find(target="projection:turnover", action="projection.removed").items
    assert (line["actor"], line["details"]["dropped"]) == ("user:ann", ["test_sales"])


def beside(shop) -> list[str]:
    names = inspect(shop.database.engine).get_table_names()
    return [name for name in names if name.startswith("test_sales__")]


def test_a_build_that_is_stuck_is_cancelled_or_left_for_the_next_version(shop):
    sell(shop, 1, "poison")
    declare(shop, on_error="skip")
    follow(shop)
    declare(shop, version=2)
    follow(shop, Following(shop, "newer"))
    told = shop.projections.get("sales")
    assert "poison" in told["building"]["problem"] and beside(shop) == ["test_sales__2"]

    declare(shop, version=1)
    shop.projections.cancel("sales", "user:ann", "rolled back")
    told = shop.projections.get("sales")
    assert (told["building"], told["state"], beside(shop)) == (None, "running", [])
    assert shop.audit.find(action="projection.cancelled").items[0]["actor"] == "user:ann"
    with pytest.raises(Conflict, match="Nothing is built"):
        shop.projections.cancel("sales", "user:ann")

    declare(shop, version=2)
    follow(shop, Following(shop, "newer"))
    declare(shop, version=3, on_error="skip")
    follow(shop, Following(shop, "newest"))
    told = shop.projections.get("sales")
    assert (told["version"], told["building"], beside(shop), sold(shop)) == (
        3,
        None,
        [],
        {"tea": 1},
    )


def test_a_new_reactor_mails_no_history_and_one_that_was_deployed_goes_on(shop):
    def reacting(start, **options):
        return reactor(
            "item.sold", emits=["mail.wanted"], followers=shop.followers, **start, **options
        )(lambda event, view: Event(type="mail.wanted", data=event.data))

    sell(shop, 1)
    reacting({}, name="mailer")
    reacting({"start": "earliest"}, name="counter")
    follow(shop)
    sell(shop, 2)
    follow(shop, Following(shop, "after a deploy"))
    with shop.database.read() as session:
        found = [one.event for one in outbox.due(session, shop.clock.now(), 100)]
    wanted = [(one.source.rpartition("/")[2], one.data) for one in found]
    assert sorted(wanted) == [("counter", 1), ("counter", 2), ("mailer", 2)]


@pytest.mark.parametrize(
    "raised", [SystemExit("3 \0 lines"), CancelledError("gone"), Killed("odd")]
)
def test_whatever_a_function_raises_holds_up_no_other(shop, raised):
    def fail(event, view):
        raise type(raised)(*raised.args)

    sell(shop, 1)
    follow(shop)
    reactor("item.sold", name="a", start="earliest", followers=shop.followers)(fail)
    shop.followers.declared = dict(sorted(shop.followers.declared.items()))  # it has the first turn
    sell(shop, 1)
    stopping = threading.Event()
    thread = threading.Thread(target=shop.following.run, args=(stopping,))

    def all_is_told():
        problems = " ".join(one["problem"] or "" for one in shop.projections.list())
        return type(raised).__name__ in problems and sold(shop) == {"tea": 2}

    thread.start()
    try:
        end = time.monotonic() + 60
        while not all_is_told() and time.monotonic() < end:
            time.sleep(0.02)
        assert all_is_told()
        assert thread.is_alive()
    finally:
        stopping.set()
        thread.join(30)


def test_other_columns_than_the_tables_have_stop_it_and_no_event_is_blamed(shop):
    sell(shop, 1)
    follow(shop)
    shop.followers = Followers()

    @projection("sales", 1, [Wider], types=["item.sold"], followers=shop.followers)
    def sales(event, view):
        row = view.get(Wider, event.subject) or view.add(Wider(item=event.subject))
        row.pieces += event.data

    sell(shop, 2)
    changed = Following(shop, "another release")
    follow(shop, changed)
    told = shop.projections.get("sales")
    assert told["state"] == "stopped"
    assert "test_sales has no column shop. To make them anew, raise its version" in told["problem"]
    with pytest.raises(Conflict, match="isn't stopped by an event"):
        shop.projections.skip("sales", "cli")
    shop.projections.rebuild("sales", "cli")
    follow(shop, changed)
    assert shop.projections.get("sales")["state"] == "running"
    with shop.database.read() as session:
        rows = session.execute(text("SELECT item, pieces, shop FROM test_sales")).all()
    assert rows == [("tea", 3, "")]


def test_a_projection_that_commits_counts_nothing_twice(shop):
    shop.followers = Followers()

    @projection("sales", 1, [Sales], types=["item.sold"], followers=shop.followers)
    def sales(event, view):
        row = view.get(Sales, event.subject) or view.add(Sales(item=event.subject, pieces=0))
        row.pieces += event.data
        if event.data == 3:
            view.session.commit()

    sell(shop, 1, 2, 3)
    follow(shop)
    told = shop.projections.get("sales")
    assert (told["state"], told["position"], sold(shop)) == ("stopped", 2, {"tea": 3})
    assert "NotYours: This session is committed for you" in told["problem"]


@pytest.mark.parametrize("what", ["reset", "rebuild"])
def test_what_no_live_workers_code_has_is_neither_emptied_nor_built_anew(shop, what):
    sell(shop, 3)
    follow(shop)
    beat(shop, "turnover")
    with pytest.raises(
        Conflict, match=r"No live worker has the code of sales.*projections remove sales"
    ):
        getattr(shop.projections, what)("sales", "cli")
    told = shop.projections.get("sales")
    assert (sold(shop), told["position"], told["building"]) == ({"tea": 3}, 1, None)
    assert shop.audit.find(action=f"projection.{what}").items == []
    beat(shop, "sales")
    getattr(shop.projections, what)("sales", "cli")


def test_pause_resume_and_reset(shop):
    sell(shop, 1)
    follow(shop)
    shop.projections.pause("sales", "cli")
    sell(shop, 2)
    follow(shop)
    told = shop.projections.get("sales")
    assert (told["state"], told["lag"], sold(shop)) == ("paused", 1, {"tea": 1})
    head = shop.event_store.head()
    assert not shop.projections.wait("sales", head, 0.1)
    shop.projections.resume("sales", "cli")
    follow(shop)
    assert shop.projections.wait("sales", head, 0)
    shop.projections.reset("sales", "cli")
    assert sold(shop) == {}
    follow(shop)
    assert sold(shop) == {"tea": 3}
    with pytest.raises(NotFound):
        shop.projections.pause("nothing", "cli")


def test_what_a_reactor_returns_is_published_once(shop):
    @reactor(
        "item.sold",
        emits=["mail.wanted"],
        name="mailer",
        start="earliest",
        followers=shop.followers,
    )
    def mailer(event, view):
        return Event(type="mail.wanted", data=event.data)

    sell(shop, 1, 2)
    follow(shop)
    shop.relay.drain()
    wanted = shop.redis.xlen("penstock:topic:mail:0")
    assert wanted == 2


@pytest.mark.parametrize(
    ("returned", "told"),
    [
        ({"to": "ann"}, None),
        (Event(type="mail.sent"), "mail.sent is not declared: add it to its emits"),
        ("mail.wanted", "a handler returned a str: return an Event"),
        (Event(type="command.given"), "command.given is not declared"),
    ],
)
def test_a_reactor_returns_what_a_handler_may(shop, returned, told):
    shop.followers = Followers()
    reactor(
        "item.sold",
        emits=["mail.wanted"],
        name="mailer",
        start="earliest",
        followers=shop.followers,
    )(lambda event, view: returned)
    sell(shop, 1)
    follow(shop)
    problem = shop.projections.get("mailer")["problem"]
    with shop.database.read() as session:
        found = [one.event.data for one in outbox.due(session, shop.clock.now(), 100)]
    if told is None:
        assert (problem, found) == (None, [returned])
    else:
        assert told in problem and found == []


def test_its_rows_as_they_were_are_told_and_the_live_ones_stay(shop, monkeypatch):
    monkeypatch.setattr("app.cqrs.as_of.rows.BATCH", 2)
    monkeypatch.setattr("app.cqrs.as_of.rows.BATCHES", 2)
    sell(shop, 1, 2, 3)
    shop.event_store.append("other", [Event(type="item.seen", data={})] * 3)
    sell(shop, 5, item="milk")
    middle = [one.position for one in shop.event_store.read("item-tea")][1]
    follow(shop)

    def told(**when):
        return [row for _, row in shop.projections.rows_as_of("sales", **when)]

    assert told(position=middle) == [{"item": "tea", "pieces": 3}]
    assert told(position=0) == told(at=1.0) == []
    assert told(at=shop.clock.now() + 60) == [
        {"item": "milk", "pieces": 5}, {"item": "tea", "pieces": 6}]  # fmt: skip
    assert sold(shop) == {"tea": 6, "milk": 5}
    with pytest.raises(NotFound):
        next(shop.projections.rows_as_of("nothing", position=1))
    with pytest.raises(Refused, match="there is no 9999"):
        next(shop.projections.rows_as_of("sales", position=9999))


def test_a_row_is_read_once_in_a_batch_however_often_it_changes(shop):
    sell(shop, *[1] * 50)
    follow(shop)
    sell(shop, *[1] * 50)
    sell(shop, *[1] * 50, item="milk")
    asked = []
    hooks.listen(
        shop.database.engine, "before_cursor_execute", lambda *given: asked.append(given[2])
    )
    follow(shop)
    assert sold(shop) == {"tea": 100, "milk": 50}
    assert (
        len([sql for sql in asked if sql.startswith("SELECT test_sales")]) == 3
    )  # two keys; and ours


def test_a_row_that_was_deleted_or_renamed_in_a_batch_is_not_found(shop):
    shop.followers = Followers()

    @projection("sales", 1, [Sales], types=["item.sold"], followers=shop.followers)
    def sales(event, view):
        row = view.get(Sales, event.subject) or view.add(Sales(item=event.subject, pieces=0))
        if event.data == 0:
            view.session.delete(row)
        elif event.data == -1:
            row.item = "renamed"
            view.session.flush()
        else:
            row.pieces += event.data

    sell(shop, 3, -1, 4, 0, 5)
    follow(shop)
    assert sold(shop) == {"renamed": 3, "tea": 5}


def test_who_can_not_go_on_for_now_holds_up_no_other(shop):
    asked = []

    def waits(event, view):
        asked.append(event.id)
        raise Unavailable("the bank is closed")

    shop.followers.declared = {
        "first": Declared("first", "projection", waits, tables=(Pages,)),
        **shop.followers.declared,
    }
    sell(shop, *[1] * 3)
    follow(shop)
    assert sold(shop) == {"tea": 3}
    assert len(asked) == 1  # it is left alone for a while, however often the others are woken
    assert shop.projections.get("first")["state"] == "running"


def test_where_nobody_can_go_on_it_is_told_and_tried_again_at_once(shop, monkeypatch):
    def lost(*_):
        raise Unavailable("no database")

    sell(shop, 1)
    with monkeypatch.context() as away:
        away.setattr("app.store.followers.builds", lost)
        away.setattr("app.cqrs.own_rebuild.OwnRebuild.step", lost)
        with pytest.raises(Unavailable):
            shop.following.step()
    follow(shop)
    assert sold(shop) == {"tea": 1}
