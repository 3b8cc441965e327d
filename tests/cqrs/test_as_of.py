"""How a projection was, asked of a worker: its rows beside those of now."""

from __future__ import annotations

import pytest
from sqlalchemy import text
from sqlmodel import Field, SQLModel

from app import Aggregate, applies, projection
from app.cqrs.as_of import answering
from app.cqrs.declaration import Followers
from app.errors import NotFound, Refused
from app.events.event import Event
from tests.cqrs.test_projections import follow


class Base(SQLModel):
    """Beside the platform's own tables, so that no other test meets these."""

    metadata = type(SQLModel.metadata)()


class Stock(Base, table=True):
    __tablename__ = "test_stock"

    item: str = Field(primary_key=True)
    pieces: int = 0
    note: str | None = None


class Taken(Base, table=True):
    __tablename__ = "test_taken"

    number: int | None = Field(default=None, primary_key=True)
    item: str


def declare(platform, version: int = 1) -> None:
    @projection("stock", version, [Stock, Taken], followers=platform.followers)
    def stock(event, view):
        if event.data == "poison":
            raise ValueError("poison")
        row = view.get(Stock, event.subject)
        if event.type == "item.gone":
            view.session.delete(row)
        elif row is None:
            view.add(Stock(item=event.subject, pieces=event.data))
        else:
            row.pieces += event.data
        view.add(Taken(item=event.subject))


@pytest.fixture
def shop(platform):
    platform.followers = Followers()
    declare(platform)
    return platform


def add(platform, *told: tuple[str, object]) -> int:
    events = [Event(type="item.gone" if n is None else "item.came", subject=item, data=n)
              for item, n in told]  # fmt: skip
    return platform.event_store.append("stock", events).position


def asked(platform, **when):
    """Ask, and be the worker."""
    asking = platform.projections_as_of
    id = asking.ask("stock", "user:ann", **when)
    assert asking.answer(id, "stock")["state"] == "waiting"
    stored = platform.redis.xrevrange("penstock:topic:projection:0", count=1)[0][1][b"e"]

    class Context:
        pass

    Context.platform = platform
    answering.tell_projection(Event.from_bytes(stored), Context)
    return asking.wait(id, "stock", 0)


def kinds(table):
    return [(row["kind"], (row["then"] or row["now"])["item"]) for row in table["rows"]]


def test_rows_are_told_beside_those_of_now_what_differs_first(shop):
    then = add(shop, ("tea", 1), ("milk", 2), ("salt", 3))
    add(shop, ("tea", 4), ("milk", None), ("rice", 5))
    follow(shop)
    told = asked(shop, position=then)
    assert (told["state"], told["asked"]) == ("done", {"position": then, "at": None})
    answer = told["answer"]
    stock, taken = answer["tables"]
    assert (answer["position"], answer["events"], answer["cut"]) == (then, 3, False)
    assert answer["live"] == {"position": shop.event_store.head(), "version": 1}
    assert kinds(stock) == [("changed", "tea"), ("gone", "milk"), ("new", "rice"), ("same", "salt")]
    assert stock["rows"][0]["then"] == {"item": "tea", "pieces": 1, "note": None}
    assert stock["rows"][0]["now"]["pieces"] == 5
    counts = ("then", "now", "new", "gone", "changed")
    assert [stock[one] for one in counts] == [3, 3, 1, 1, 1]
    assert [taken[one] for one in counts] == [3, 6, 3, 0, 0]
    (line,) = shop.audit.find(action="projection.asked").items
    assert (line["actor"], line["target"]) == ("user:ann", "projection:stock")


def test_a_time_stands_for_the_position_of_then(shop):
    add(shop, ("tea", 1))
    follow(shop)
    told = asked(shop, at=1.0)
    assert told["asked"] == {"position": 0, "at": "1970-01-01T00:00:01.000000Z"}
    assert told["answer"]["tables"][0]["new"] == 1
    assert asked(shop, at=shop.clock.now() + 60)["answer"]["tables"][0]["changed"] == 0


def test_so_much_is_told_and_no_more(shop, monkeypatch):
    monkeypatch.setattr("app.cqrs.as_of.comparing.ROWS", 4)
    then = add(shop, *[(f"item {number}", 1) for number in range(5)])
    add(shop, ("item 3", 1))
    follow(shop)
    answer = asked(shop, position=then)["answer"]
    stock, taken = answer["tables"]
    assert answer["cut"] and len(stock["rows"]) + len(taken["rows"]) == 4
    assert kinds(stock)[0] == ("changed", "item 3")
    assert stock["then"] == 5


def test_tables_of_another_version_are_not_compared(shop):
    then = add(shop, ("tea", 1))
    with pytest.raises(NotFound):
        shop.projections_as_of.ask("stock", "user:ann", position=then)  # nothing was made yet
    follow(shop)
    declare(shop, version=2)
    answer = asked(shop, position=then)["answer"]
    assert answer["live"] is None and answer["tables"][0]["changed"] is None
    assert kinds(answer["tables"][0]) == [("same", "tea")]


def test_what_can_not_be_told_says_why(shop, monkeypatch):
    then = add(shop, ("tea", 1), ("tea", "poison"))
    follow(shop)
    problem = asked(shop, position=then)["problem"]
    assert problem["kind"] == "refused" and "ValueError: poison" in problem["detail"]
    assert asked(shop, position=then - 1)["state"] == "done"
    shop.followers.declared.clear()
    assert asked(shop, position=1)["problem"]["kind"] == "not-found"
    asking = shop.projections_as_of
    for wrong in ({}, {"position": 1, "at": 1.0}, {"position": then + 1}, {"position": -1}):
        with pytest.raises(Refused):
            asking.ask("stock", "user:ann", **wrong)
    with pytest.raises(NotFound):
        asking.ask("nothing", "user:ann", position=1)
    with pytest.raises(Refused, match="run"):
        asking.ask("runs", "user:ann", position=1)
    with pytest.raises(NotFound, match="hour"):
        asking.answer("nothing", "stock")


@pytest.mark.parametrize("where", ["in the code", "in the database"])
def test_what_takes_too_long_is_given_up_and_the_command_line_named(shop, monkeypatch, where):
    then = add(shop, ("tea", 1))
    follow(shop)
    monkeypatch.setattr(
        "app.cqrs.as_of.projections.SECONDS", 0.001 if where == "in the code" else 1.0
    )
    endless = (
        "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n"
    )

    shop.followers = Followers()

    @projection("stock", 1, [Stock, Taken], followers=shop.followers)
    def stock(event, view):
        view.session.execute(text(endless))

    told = asked(shop, position=then)
    assert told["state"] == "refused"
    assert "projections as-of stock --position 1 > rows.jsonl" in told["problem"]["detail"]


class Bookcase(Aggregate):
    books: list[str] = []  # noqa: RUF012 (copied for each)

    @applies("bookcase.filled")
    def _filled(self, event):
        self.books.append(event.data["book"])


def test_an_aggregate_as_it_was_is_asked_of_a_worker(platform, monkeypatch):
    bookcase = "bookcase:1"
    for book in ("Emma", "Ulysses", None):
        data = {"book": book} if book else {}
        platform.event_store.append(
            bookcase, Event(type="bookcase.filled", data=data), actor="user:ada"
        )
    asking = platform.aggregates_as_of

    class Context:
        pass

    Context.platform = platform

    def asked(version):
        id = asking.ask(bookcase, "user:ann", version)
        assert asking.answer(id, bookcase)["state"] == "waiting"
        topic = platform.catalogue.topic_of("aggregate.asked")
        stored = platform.redis.xrevrange(f"penstock:topic:{topic}:0", count=1)[0][1][b"e"]
        answering.tell_aggregate(Event.from_bytes(stored), Context)
        return asking.wait(id, bookcase, 0)

    told = asked(2)
    assert (told["state"], told["answer"]["state"]) == ("done", {"books": ["Emma", "Ulysses"]})
    assert told["answer"]["why"]["books"]["actor"] == "user:ada"
    assert told["answer"]["step"]["changes"][0]["before"] == ["Emma"]
    told = asked(3)
    assert told["state"] == "refused" and "KeyError: 'book'" in told["problem"]["detail"]
    monkeypatch.setattr("app.cqrs.as_of.aggregates.SECONDS", -1.0)
    told = asked(2)
    assert told["state"] == "refused" and told["problem"]["kind"] == "refused"
    assert "aggregates show bookcase:1 --version 2" in told["problem"]["detail"]
    with pytest.raises(NotFound):
        asking.ask("bookcase:2", "user:ann")
    assert (
        platform.audit.find(action="aggregate.asked").items[0]["target"] == "aggregate:bookcase:1"
    )
