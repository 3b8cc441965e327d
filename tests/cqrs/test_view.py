"""What a projection's function reads and writes is what SQLAlchemy would have read and written."""

from __future__ import annotations

import enum
import uuid
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import JSON, Column, DateTime, event, func
from sqlalchemy.exc import IntegrityError
from sqlmodel import Field, SQLModel, select

from app.cqrs import tables
from app.cqrs.view import View
from app.errors import Refused
from app.store.database import Database


class Base(SQLModel):
    metadata = type(SQLModel.metadata)()


class Count(Base, table=True):
    __tablename__ = "test_counts"

    name: str = Field(primary_key=True)
    n: int = 0


class Line(Base, table=True):
    __tablename__ = "test_lines"

    id: int | None = Field(default=None, primary_key=True)
    text: str
    size: int | None = Field(default=7)


class Colour(enum.Enum):
    RED = "r"


class Wide(Base, table=True):
    __tablename__ = "test_wide"

    id: uuid.UUID = Field(primary_key=True)
    part: int = Field(primary_key=True)
    text: str | None
    number: float
    money: Decimal
    day: date
    at: datetime = Field(sa_column=Column(DateTime()))
    zoned: datetime = Field(sa_column=Column(DateTime(timezone=True)))
    colour: Colour
    yes: bool
    raw: bytes
    free: Any = Field(sa_column=Column(JSON))


TABLES = [Count, Line, Wide]


@pytest.fixture
def database(database_url):
    database = Database(database_url)
    with database.session() as session:
        tables.make(session.connection(), TABLES)
    yield database
    database.dispose()


def project(database, function, *events, classes=None, before=None):
    """One batch; what is answered is what the function returned. `before`: what those before looked for."""
    with database.session() as session:
        view = View(session, classes or tables.own(TABLES), set(before or ()))
        answers = [view.hand(function, event) for event in events]
        view.flush()
    if before is not None:
        before |= view.looked_for
    return answers


def counts(database) -> dict[str, int]:
    with database.read() as session:
        return {row.name: row.n for row in session.exec(select(Count))}


NAMES = st.sampled_from("abc")
STEPS = st.one_of(
    st.tuples(st.just("count"), NAMES),
    st.tuples(st.just("add"), NAMES),
    st.tuples(st.just("rename"), NAMES, NAMES),
    st.tuples(st.just("delete"), NAMES),
    st.tuples(st.just("total"), st.none()),
    st.tuples(st.just("all"), st.none()),
)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.lists(STEPS, max_size=8), max_size=4))
@example([[("count", "a"), ("count", "c"), ("delete", "c"), ("rename", "a", "c")]])
def test_any_mixture_of_its_ways_is_what_a_dictionary_would_be(database, batches):
    with database.session() as session:
        tables.empty(session.connection(), [Count.__tablename__])
    kept: dict[str, int] = {}
    before: set[Any] = set()

    def step(event, view):
        what, name, *more = event
        row = view.get(Count, name) if name else None
        assert (row.n if row else None) == (kept.get(name) if name else None)
        if what == "count":
            row = row or view.add(Count(name=name, n=0))
            row.n += 1
            kept[name] = kept.get(name, 0) + 1
        elif what == "add" and row is None:
            view.add(Count(name=name, n=10))
            kept[name] = 10
        elif what == "rename" and row and more[0] not in kept:
            row.name = more[0]
            kept[more[0]] = kept.pop(name)
            assert view.get(Count, more[0]).n == kept[more[0]]
            assert view.get(Count, name) is None
        elif what == "delete" and row:
            view.session.delete(row)
            del kept[name]
        elif what == "total":
            found = view.session.exec(select(func.sum(view.model(Count).n))).one()
            assert (found or 0) == sum(kept.values())
        elif what == "all":
            found = view.session.exec(select(view.model(Count))).all()
            assert {row.name: row.n for row in found} == kept

    for batch in batches:
        project(database, step, *batch, before=before)
        assert counts(database) == kept


def wide(part: int, **changes: Any) -> Wide:
    values: dict[str, Any] = {
        "id": uuid.UUID(int=7),
        "part": part,
        "text": 'tab\t line\n back\\slash \\N "quoted" é',
        "number": 0.1,
        "money": Decimal("12.5"),
        "day": date(2026, 2, 28),
        "at": datetime(2026, 1, 31, 12, 0, 0, 5),
        "zoned": datetime(2026, 1, 31, 12, tzinfo=UTC),
        "colour": Colour.RED,
        "yes": True,
        "raw": b"\x00\xff\\",
        "free": {"a": [1, None, "\n"]},
    }
    return Wide(**{**values, **changes})


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"text": None, "free": None, "number": float("inf"), "yes": False},
        {"text": "", "free": "text", "raw": b"", "money": Decimal("-0.001")},
        {
            "at": datetime(2026, 7, 1, 12, tzinfo=timezone(timedelta(hours=5))),
            "zoned": datetime(2026, 7, 1, 12, tzinfo=timezone(timedelta(hours=-5))),
        },
    ],
)
def test_a_row_that_was_held_is_kept_as_one_of_the_session(database, changes):
    project(database, lambda event, view: view.add(event), wide(1, **changes))
    with database.session() as session:
        session.add(wide(2, **changes))
    with database.read() as session:
        held, other = session.exec(select(Wide).order_by(Wide.part))
        assert held.model_dump(exclude={"part"}) == other.model_dump(exclude={"part"})

    def read(event, view):
        return view.get(Wide, (uuid.UUID(int=7), 1)).model_dump()

    assert project(database, read, None) == [held.model_dump()]


def test_rows_whose_key_the_database_gives_out_have_it_where_the_session_is_asked(database):
    def add(event, view):
        row = view.add(Line(text=event))
        if event == "number me":
            view.session.flush()
            return row.id
        return None

    project(database, add, "one", "two")
    *_, third, fourth = project(database, add, "three", "four", "number me", "number me")
    with database.read() as session:
        rows = session.exec(select(Line).order_by(Line.id)).all()
    assert [row.text for row in rows] == ["one", "two", "three", "four"] + ["number me"] * 2
    assert [row.id for row in rows[-2:]] == [third, fourth]


def test_what_is_filled_in_by_the_table_is_filled_in(database):
    def add(event, view):
        view.add(Line(text=event, size=None))

    project(database, add, "one", "two")
    with database.read() as session:
        assert [row.size for row in session.exec(select(Line))] == [7, 7]


def test_what_is_no_table_or_no_key_of_it_is_told(database):
    with database.session() as session:
        view = View(session, tables.own([Count]))
        for wrong in (
            lambda: view.get(Line, 1),
            lambda: view.add(Line(text="a")),
            lambda: view.model("Count"),
        ):
            with pytest.raises(
                Refused, match=r"no table of this projection, which has tables=\[Count\]"
            ):
                wrong()
        beside = View(session, tables.suffixed([Count], 7))
        with pytest.raises(Refused, match="object of your own class"):
            beside.add(beside.model(Count)(name="a"))
        for key in (("a", 1), ()):
            with pytest.raises(Refused, match=r"has the key \(name\)"):
                view.get(Count, key)


def test_a_key_that_is_there_already_fails_the_batch_and_nothing_is_kept(database):
    def add(event, view):
        view.add(Count(name=event))

    project(database, add, "a")
    for events in (["b", "a"], ["c", "c"]):
        with pytest.raises(IntegrityError):
            project(database, add, *events)
    assert counts(database) == {"a": 0}


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_keys_of_two_types_are_looked_for_where_they_are_the_same(database):
    """The session asks SQLite, which takes `"5"` for 5 where its column is a number; PostgreSQL refuses that."""

    def step(event, view):
        row = view.get(Line, event) or view.add(Line(id=event, text=""))
        row.text += "x"

    project(database, step, 5, "5", 5)
    with database.read() as session:
        assert [(row.id, row.text) for row in session.exec(select(Line))] == [(5, "xxx")]


def test_what_the_batch_before_looked_for_is_fetched_at_once(database):
    """Of keys of one column and of several; what isn't there any more, or not yet, is looked for alone."""
    asked = []

    def note(_connection, _cursor, sql, *_):
        if sql.startswith("SELECT"):
            asked.append(sql)

    def touch(number, view):
        for n in range(3):
            count = view.get(Count, f"{n}") or view.add(Count(name=f"{n}"))
            row = view.get(Wide, (uuid.UUID(int=7), n)) or view.add(wide(n, number=0.0))
            count.n += 1
            row.number += 1
            if number == 2 and n == 1:
                view.session.delete(count)

    before: set[Any] = set()
    event.listen(database.engine, "before_cursor_execute", note)
    questions = []
    for number in range(4):
        asked.clear()
        project(database, touch, number, before=before)
        questions.append(len(asked))
        with database.read() as session:
            assert {row.part: row.number for row in session.exec(select(Wide))} == dict.fromkeys(
                range(3), number + 1.0
            )
    assert questions[:2] == [6, 2]
    assert counts(database) == {"0": 4, "1": 1, "2": 4}


def test_a_build_beside_the_live_one_is_written_by_the_same_ways(database):
    twins = tables.suffixed(TABLES, 2)
    with database.session() as session:
        tables.make(session.connection(), list(twins.values()))

    def step(event, view):
        row = view.get(Count, event) or view.add(Count(name=event, n=0))
        row.n += 1
        view.add(wide(row.n))

    project(database, step, "a", "a", classes=twins)
    with database.read() as session:
        assert [row[0].n for row in session.execute(select(twins[Count]))] == [2]
        assert len(session.execute(select(twins[Wide])).all()) == 2
    assert counts(database) == {}
