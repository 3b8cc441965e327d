"""What is accepted is in its topic, once; what is not is refused as a whole."""

from __future__ import annotations

from datetime import datetime

import pytest
from pydantic import BaseModel, Field

from app.errors import EventTooLarge, InvalidEvents, Refused
from app.events.event import Event
from app.events.topics import partition_of
from app.streams import keys
from tests.contract.world import World


def test_the_same_event_published_again_is_accepted_once(world: World):
    got = []

    @world.on("order.placed")
    def note(event, ctx):
        got.append(event.data)

    assert world.publish_many([Event(type="order.placed", id="1", data="first")]) == 1
    assert world.publish_many([Event(type="order.placed", id="1", data="again")]) == 0
    other = Event(type="order.placed", id="1", source="/elsewhere", data="another source")
    assert world.publish_many([other]) == 1
    world.run()

    assert got == ["first", "another source"]


def test_a_batch_with_a_duplicate_of_its_own_keeps_the_first(world: World):
    events = [Event(type="order.placed", id=id) for id in ("1", "2", "1")]

    assert world.publish_many(events) == 2
    assert [event.id for event in world.events()] == ["1", "2"]


def test_an_event_is_stamped(world: World):
    root = world.publish("order.placed", key="ada", subject="orders/1")

    (event,) = world.events()
    assert event.id == root.id
    assert event.correlationid == root.id
    assert event.causationid is None
    assert event.recordedtime is not None
    assert (event.partitionkey, event.subject) == ("ada", "orders/1")


def test_unknown_extensions_survive(world: World):
    got = []

    @world.on("order.placed")
    def note(event, ctx):
        got.append(event.extensions)

    world.publish_many([Event(type="order.placed", extensions={"tenant": "a", "level": 3})])
    world.run()

    assert got == [{"tenant": "a", "level": 3}]


def test_one_bad_event_refuses_the_batch_and_each_bad_one_is_named(world: World):
    @world.event_type("order.placed")
    class OrderPlaced(BaseModel):
        total: int = Field(ge=0)

    events = [Event(type="order.placed", data={"total": total}) for total in (1, -1, "much")]
    with pytest.raises(InvalidEvents) as refused:
        world.publish_many(events)

    problems = refused.value.problems
    assert [one["index"] for one in problems] == [1, 2]
    assert {one["field"] for one in problems} == {"data.total"}
    assert world.events() == []


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ("partitionkey", 5),
        ("partitionkey", ""),
        ("subject", b"bytes"),
        ("id", "a\nb"),
        ("source", None),
        ("time", datetime(2026, 1, 1)),
        ("expirytime", datetime(2026, 1, 1)),
        ("expirytime", "tomorrow"),
    ],
)
def test_an_attribute_that_could_not_be_read_again_is_refused(world: World, attribute, value):
    with pytest.raises(InvalidEvents) as refused:
        world.publish_many([Event(type="order.placed", **{attribute: value})])

    assert [one["field"] for one in refused.value.problems] == [attribute]
    assert world.events() == []


def test_an_event_that_is_too_large_is_refused(world: World):
    with pytest.raises(EventTooLarge, match="blob store"):
        world.publish("order.placed", "x" * 1_100_000)
    assert world.events() == []


def test_penstocks_own_types_are_not_for_producers(world: World):
    with pytest.raises(InvalidEvents, match="Penstock's own"):
        world.publish("penstock.settled", {})


def test_a_delayed_event_enters_its_topic_when_it_is_due(world: World):
    got = []

    @world.on("order.placed")
    def note(event, ctx):
        got.append(event.data)

    world.publish("order.placed", "later", after=60)
    world.publish("order.placed", "now")
    world.run()
    assert got == ["now"]
    assert [event.data for event in world.events()] == ["now"]

    world.advance(61)
    assert got == ["now", "later"]


def test_a_delayed_event_is_accepted_once(world: World):
    world.publish("order.placed", id="1", after=60)
    world.publish("order.placed", id="1")

    assert world.events() == []
    world.pass_time(61)
    assert [event.id for event in world.events()] == ["1"]


@pytest.mark.parametrize(
    "when", [{"after": "10s"}, {"at": "tomorrow"}, {"at": datetime(2026, 1, 1)}]
)
def test_a_delay_that_means_nothing_is_refused(world: World, when):
    with pytest.raises(Refused, match="timezone"):
        world.publish("order.placed", **when)
    assert world.events() == []


def test_after_and_at_exclude_each_other(world: World):
    with pytest.raises(Refused, match="either"):
        world.publish("order.placed", after=1, at=2)


def test_a_key_keeps_its_partition_and_its_order(world: World):
    world.partitions["order"] = 4
    got: dict[str, list[int]] = {}

    @world.on("order.placed")
    def note(event, ctx):
        got.setdefault(event.partitionkey, []).append(event.data)

    names = ["ada", "grace", "edsger", "barbara", "tony"]
    for number in range(40):
        world.publish("order.placed", number, key=names[number % 5])
    world.run()

    assert got == {name: list(range(index, 40, 5)) for index, name in enumerate(names)}
    for partition in range(4):
        stream = keys.topic_stream("order", partition)
        kept = {Event.from_bytes(fields[1]).partitionkey for _, fields in world.entries(stream)}
        assert kept == {name for name in names if partition_of(name, 4) == partition}


def test_data_is_read_as_the_newest_class(world: World):
    @world.event_type("order.placed", version=2)
    class OrderPlaced(BaseModel):
        cents: int

    @world.upcast("order.placed", 1)
    def to_cents(data):
        return {"cents": data["total"] * 100}

    got = []

    @world.on("order.placed")
    def note(event, ctx):
        got.append(event.data)

    world.publish("order.placed", {"cents": 5})
    world.publish("order.placed", OrderPlaced(cents=6))
    old = Event(type="order.placed", data={"total": 7}, dataschema="urn:penstock:order.placed:1")
    world.publish_many([old])
    world.run()

    assert got == [OrderPlaced(cents=5), OrderPlaced(cents=6), OrderPlaced(cents=700)]


def test_a_type_can_have_another_topic(world: World):
    @world.event_type("order.audited", topic="audit")
    class OrderAudited(BaseModel):
        pass

    got = []

    @world.on("order.audited", "order.placed")
    def note(event, ctx):
        got.append(event.type)

    world.publish("order.placed")
    world.publish("order.audited", {})
    world.run()

    assert sorted(got) == ["order.audited", "order.placed"]
    assert len(world.entries(keys.topic_stream("audit", 0))) == 1
