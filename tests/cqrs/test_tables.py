"""Projections whose tables refer to one another: live, built anew, reset, and as they were."""

from __future__ import annotations

import pytest
from sqlalchemy import text
from sqlmodel import Field, Relationship, SQLModel, select

from app import projection
from app.cqrs.declaration import Followers
from app.errors import Conflict, Refused
from app.events.event import Event
from tests.cqrs.test_projections import follow


class Base(SQLModel):
    """Beside the platform's own tables, so that no other test meets these."""

    metadata = type(SQLModel.metadata)()


class Place(Base, table=True):
    __tablename__ = "test_places"

    name: str = Field(primary_key=True)


class Shelf(Base, table=True):
    __tablename__ = "test_shelves"

    name: str = Field(primary_key=True)
    place: str = Field(foreign_key="test_places.name", index=True)
    inside: str | None = Field(default=None, foreign_key="test_shelves.name")


class Item(Base, table=True):
    __tablename__ = "test_items"

    name: str = Field(primary_key=True)
    shelf: str = Field(foreign_key="test_shelves.name", ondelete="CASCADE")


@pytest.fixture
def store(platform):
    platform.followers = Followers()
    Place.__table__.create(platform.database.engine)  # kept by somebody else

    @projection("stock", 1, [Item, Shelf], followers=platform.followers)
    def stock(event, view):
        if event.type == "shelf.built":
            view.add(Shelf(name=event.subject, place="here", inside=event.data))
        elif event.type == "item.stored":
            view.add(Item(name=event.subject, shelf=event.data))
        else:
            view.session.delete(view.get(Shelf, event.subject))

    with platform.database.session() as session:
        session.add(Place(name="here"))
    return platform


def store_some(platform) -> None:
    events = [
        Event(type="shelf.built", subject="tall"),
        Event(type="shelf.built", subject="low", data="tall"),
        Event(type="item.stored", subject="tea", data="low"),
        Event(type="item.stored", subject="milk", data="tall"),
        Event(type="shelf.built", subject="top", data="tall"),
        Event(type="item.stored", subject="salt", data="top"),
        Event(type="shelf.broken", subject="top"),
    ]
    platform.event_store.append("stock", events)


def items(platform) -> dict[str, str]:
    with platform.database.read() as session:
        assert [row.name for row in session.exec(select(Shelf).order_by(Shelf.name))]
        return {row.name: row.shelf for row in session.exec(select(Item))}


class Owner(Base, table=True):
    __tablename__ = "test_owners"

    name: str = Field(primary_key=True)


class Pet(Base, table=True):
    __tablename__ = "test_pets"

    name: str = Field(primary_key=True)
    of: str = Field(foreign_key="test_owners.name")
    owner: Owner = Relationship()


class Hen(Base, table=True):
    __tablename__ = "test_hens"

    name: str = Field(primary_key=True)
    egg: str | None = Field(default=None, foreign_key="test_eggs.name")


class Egg(Base, table=True):
    __tablename__ = "test_eggs"

    name: str = Field(primary_key=True)
    hen: str | None = Field(default=None, foreign_key="test_hens.name")


class Nest(Base, table=True):
    __tablename__ = "test_nests"

    name: str = Field(primary_key=True)
    hen: str = Field(foreign_key="test_hens.name")


@pytest.mark.parametrize(
    ("tables", "said"),
    [
        ([Pet], "Pet.owner is a Relationship.*view.get"),
        ([Nest, Hen, Egg, Item], "keys of test_eggs, test_hens go round in a circle"),
    ],
)
def test_what_can_not_be_built_beside_the_live_one_is_refused_where_it_is_declared(tables, said):
    followers = Followers()
    with pytest.raises(Refused, match=said):
        projection("farm", 1, tables, followers=followers)(lambda event, view: None)
    assert not followers.declared
    projection("yard", 1, [Nest, Hen], followers=followers)(lambda event, view: None)
    assert "yard" in followers.declared


STORED = {"tea": "low", "milk": "tall"}


def test_they_are_built_anew_as_often_as_one_likes(store):
    store_some(store)
    follow(store)
    assert items(store) == STORED
    for _ in range(2):
        store.projections.rebuild("stock", "cli")
        follow(store)
        told = store.projections.get("stock")
        assert (told["building"], told["problem"]) == (None, None)
        assert items(store) == STORED
    store.event_store.append("stock", [Event(type="item.stored", subject="rice", data="nowhere")])
    follow(store)
    assert "rice" not in items(store)  # the keys hold in the tables that took the others' place
    assert store.projections.get("stock")["state"] == "stopped"


def test_they_are_emptied_also_beside_a_build_and_told_as_they_were(store):
    store_some(store)
    follow(store)
    store.projections.rebuild("stock", "cli")
    store.following.step()
    store.projections.reset("stock", "cli")
    follow(store)
    assert items(store) == STORED
    then = [row for table, row in store.projections.rows_as_of("stock", 3) if table == "test_items"]
    assert then == [{"name": "tea", "shelf": "low"}]


def test_a_table_of_others_that_refers_to_them_is_named(store):
    """On both databases nothing can take the place of what others refer to."""
    store_some(store)
    follow(store)
    with store.database.session() as session:
        session.exec(text("CREATE TABLE test_labels (item TEXT REFERENCES test_items (name))"))
        session.exec(text("INSERT INTO test_labels VALUES ('tea')"))
    store.projections.rebuild("stock", "cli")
    follow(store)
    told = store.projections.get("stock")["building"]["problem"]
    assert "test_items" in told and "Take its foreign key away" in told
    assert items(store) == STORED
    with pytest.raises(Conflict, match="isn't stopped by an event"):
        store.projections.skip("stock", "cli")
    with pytest.raises(Refused, match="test_items"):
        store.projections.reset("stock", "cli")
    with store.database.session() as session:
        session.exec(text("DROP TABLE test_labels"))
    store.projections.resume("stock", "cli")
    follow(store)
    assert store.projections.get("stock")["building"] is None
