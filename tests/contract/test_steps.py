"""The broker's steps by themselves: who owns what, how much is allowed."""

from __future__ import annotations

import pytest

from app.streams import keys
from tests.contract.world import World

TOPIC = keys.topic_stream("order", 0)
AGAIN = keys.again_stream("check", 0)


@pytest.fixture
def declared(world: World) -> World:
    @world.on("order.placed")
    def check(event, ctx):
        raise AssertionError("nothing is handled here")

    world.declare()
    return world


def test_two_consumers_never_get_the_same_entry(declared: World):
    for number in range(6):
        declared.publish("order.placed", number)
    one, other = declared.broker(), declared.broker()

    first = one.read("check", "a", [AGAIN, TOPIC], 4).entries
    second = other.read("check", "b", [AGAIN, TOPIC], 4).entries

    assert len(first) == 4
    assert len(second) == 2
    assert not {entry.id for entry in first} & {entry.id for entry in second}
    assert one.read("check", "a", [AGAIN, TOPIC], 4).entries == []


def test_a_read_creates_the_group_that_is_missing(declared: World):
    declared.publish("order.placed")

    (entry,) = declared.broker().read("new-one", "a", [TOPIC], 10).entries
    assert entry.stream == TOPIC
    assert entry.generation is None


def test_a_settle_is_all_or_nothing(declared: World):
    for number in range(3):
        declared.publish("order.placed", number)
    broker = declared.broker()
    mine = broker.read("check", "a", [TOPIC], 2).entries
    (theirs,) = broker.read("check", "b", [TOPIC], 2).entries
    steps = [["add", keys.topic_stream("invoice", 0), "e", b"{}"]]
    ids = [*(entry.id for entry in mine), theirs.id]

    assert broker.settle("check", "a", TOPIC, ids, steps, b"") == [theirs.id]
    assert declared.entries(keys.topic_stream("invoice", 0)) == []
    assert declared.pending("check") == 3

    assert broker.settle("check", "a", TOPIC, ids[:2], steps, b"") == []
    assert len(declared.entries(keys.topic_stream("invoice", 0))) == 1
    assert declared.pending("check") == 1
    assert broker.settle("check", "a", TOPIC, ids[:2], steps, b"") == ids[:2]


def test_a_settle_leaves_what_lies_between(declared: World):
    for number in range(4):
        declared.publish("order.placed", number)
    broker = declared.broker()
    ids = [entry.id for entry in broker.read("check", "a", [TOPIC], 4).entries]

    assert broker.settle("check", "a", TOPIC, [ids[0], ids[2], ids[3]], [], b"") == []
    assert declared.pending("check") == 1
    assert broker.settle("check", "a", TOPIC, ids[:2], [], b"") == [ids[0]]
    assert broker.settle("check", "a", TOPIC, ids[1:2], [], b"") == []
    assert declared.pending("check") == 0


def test_what_is_released_comes_back_with_its_past(declared: World):
    placed = declared.publish("order.placed", {"n": 1})
    broker = declared.broker()
    (entry,) = broker.read("check", "a", [AGAIN, TOPIC], 10).entries

    assert broker.release("check", "a", TOPIC, 7, suspect=True, in_hand=entry.id).moved == 1
    (again,) = broker.read("check", "b", [AGAIN, TOPIC], 10).entries

    assert again.stream == AGAIN
    assert (again.generation, again.suspect, again.losses, again.worker_losses) == (7, True, 1, 0)
    assert again.place == f"{TOPIC} {entry.id.decode()}"
    assert placed.id.encode() in again.raw
    assert broker.entry(AGAIN, again.id) == again
    assert broker.settle("check", "a", TOPIC, [entry.id], [], b"") == [entry.id]

    assert broker.release("check", "b", AGAIN, 9, in_hand=again.id, counts="w").moved == 1
    (third,) = broker.read("check", "c", [AGAIN, TOPIC], 10).entries
    assert (third.generation, third.losses, third.worker_losses) == (7, 1, 1)
    assert third.place == again.place
    assert broker.settle("check", "c", AGAIN, [third.id], [], b"") == []
    assert declared.entries(AGAIN) == [], "what is settled of an again stream is gone"
    assert broker.entry(AGAIN, third.id) is None


def test_releasing_nothing_is_nothing(declared: World):
    broker = declared.broker()

    assert broker.release("check", "nobody", TOPIC, 0).moved == 0
    assert broker.release("unknown", "nobody", "penstock:topic:unknown:0", 0).moved == 0


def test_a_part_can_be_released(declared: World):
    for number in range(5):
        declared.publish("order.placed", number)
    broker = declared.broker()
    ids = [entry.id for entry in broker.read("check", "a", [TOPIC], 10).entries]

    assert broker.release("check", "a", TOPIC, 0, only=(ids[1], ids[3])).moved == 3
    assert broker.settle("check", "a", TOPIC, ids, [], b"") == ids[1:4]
    assert broker.settle("check", "a", TOPIC, [ids[0], ids[4]], [], b"") == []


def test_a_seat_has_one_owner(declared: World):
    broker = declared.broker()

    assert broker.own("check", "a", 0, [AGAIN, TOPIC])
    assert broker.own("check", "a", 0, [AGAIN, TOPIC]), "who has it keeps it"
    assert not broker.own("check", "b", 0, [AGAIN, TOPIC])
    assert broker.own("check", "b", "place-1", [])
    broker.disown("check", "b", 0)
    assert not broker.own("check", "b", 0, [AGAIN, TOPIC]), "only the owner gives it up"

    broker.disown("check", "a", 0)
    assert broker.own("check", "b", 0, [AGAIN, TOPIC])
    broker.disown_all("b")
    assert broker.own("check", "c", 0, [AGAIN, TOPIC])
    assert broker.own("check", "c", "place-1", [])


def test_a_partition_is_not_given_away_before_its_entries_are_back(declared: World):
    declared.publish("order.placed")
    broker = declared.broker()
    broker.own("check", "a", 0, [AGAIN, TOPIC])
    broker.read("check", "a", [AGAIN, TOPIC], 10)
    broker.disown("check", "a", 0)

    assert not broker.own("check", "b", 0, [AGAIN, TOPIC])
    broker.release("check", "a", TOPIC, 0)
    assert broker.own("check", "b", 0, [AGAIN, TOPIC])


def test_a_rate_allows_a_seconds_worth_and_takes_back_what_was_not_used(declared: World):
    broker = declared.broker()

    # So slow that no test is long enough to earn another one.
    assert broker.allow("check", 0.001, 5) == 1
    assert broker.allow("check", 0.001, 5) == 0
    assert broker.allow("check", 0.001, -1) == -1
    assert broker.allow("check", 0.001, 5) == 1
    assert broker.allow("other", 0.001, 5) == 1


def test_where_a_group_is_gone_nobody_owns_anything(declared: World):
    """As after a server has lost its data."""
    broker = declared.broker()

    steps = [["add", keys.topic_stream("invoice", 0), "e", b"{}"]]
    assert broker.settle("gone", "a", TOPIC, [b"1-1"], steps, b"") == [b"1-1"]
    assert broker.settle("gone", "a", "penstock:topic:gone:0", [b"1-1"], steps, b"") == [b"1-1"]
    assert declared.entries(keys.topic_stream("invoice", 0)) == []
    assert broker.own("gone", "a", 0, [TOPIC, "penstock:topic:gone:0"])
