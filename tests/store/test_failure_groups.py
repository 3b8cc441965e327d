"""Groups of failures: their counters always agree with the letters, and a group has a life."""

from __future__ import annotations

from collections import Counter

import pytest
from sqlmodel import select

from app.errors import NotFound, Refused
from app.store.deliveries import DeadLetter
from app.store.failure_groups import FailureGroup
from app.store.moments import iso
from tests.store.stories import SUBSCRIPTION, T0, delivery, event, record

GROUP = "0123456789abcdef"


def park(store, *ids, at=1.0, generation=0, **more):
    told = [delivery(event(id), "parked", started=at, generation=generation, **more) for id in ids]
    store.projection.apply_records([record(*told, at=at)])
    return [letter["id"] for letter in store.dead_letters.find(limit=100).items]


def agree(store):
    """The counters say what counting says."""
    with store.main.read() as session:
        letters = session.exec(select(DeadLetter.group_id, DeadLetter.state)).all()
        groups = session.exec(select(FailureGroup)).all()
    counted = Counter(letters)
    for group in groups:
        assert group.parked == counted[group.id, "parked"], group.id
        assert group.replaying == counted[group.id, "replaying"], group.id
    assert {group for group, _ in counted} <= {group.id for group in groups}


def replay(store, letters):
    items = [
        {"dead_letter": id, "event": store.dead_letters.get(id)["event"], "subscription": SUBSCRIPTION}
        for id in letters
    ]  # fmt: skip
    return store.replays.create(items, selection={}, options={}, actor="user:ann")


def end(store, id, name, state, at, **more):
    told = delivery(event(name), state, generation=int(at), started=at, replay=id, **more)
    store.projection.apply_records([record(told, at=at)])


def test_counters_follow_the_letters_wherever_they_go(store):
    letters = park(store, "a", "b", "c", "d")
    agree(store)
    store.dead_letters.discard(letters[:1], "user:ann", "spam")
    agree(store)
    id = replay(store, letters[1:3])
    agree(store)
    store.replays.cancel(id)
    agree(store)
    again = replay(store, letters[1:])
    names = [store.dead_letters.get(one)["event"]["id"] for one in letters[1:]]
    end(store, again, names[0], "succeeded", 9.0)
    end(store, again, names[1], "parked", 10.0)
    end(store, again, names[2], "parked", 11.0, group="1" * 16, error="KeyError: 'x'")
    agree(store)
    assert {group["id"]: group["count"] for group in store.groups.find()} == {
        GROUP: 1, "1" * 16: 1,
    }  # fmt: skip


def test_a_record_that_comes_twice_counts_once(store):
    told = record(delivery(event("a"), "parked"))
    store.projection.apply_records([told, told])
    store.projection.apply_records([told])
    (group,) = store.groups.find()
    assert (group["count"], group["seen"], sum(group["bars"])) == (1, 1, 1)


def test_a_group_is_resolved_by_its_replays_and_opens_when_it_happens_again(store, clock):
    letters = park(store, "a", "b")
    store.groups.acknowledge(GROUP, "user:ann", "at it")
    id = replay(store, letters)
    assert store.groups.find() == []
    end(store, id, "a", "succeeded", 9.0)
    assert store.groups.get(GROUP)["state"] == "acknowledged"
    end(store, id, "b", "succeeded", 10.0)
    (resolved,) = store.groups.find(life="resolved")
    assert (resolved["state"], resolved["by"], resolved["note"], resolved["count"]) == (
        "resolved", f"replay:{id}", "at it", 0,
    )  # fmt: skip
    park(store, "c", at=20.0)
    (group,) = store.groups.find(life="open")
    assert (group["count"], group["reopened"], group["seen"], group["by"]) == (1, 1, 3, None)


def test_an_acknowledged_group_stays_so_while_it_happens(store):
    park(store, "a")
    before, after = store.groups.acknowledge(GROUP, "user:ann", "mine")
    assert (before["state"], after["state"]) == ("open", "acknowledged")
    assert store.groups.waiting() == 0
    park(store, "b", at=5.0)
    (group,) = store.groups.find()
    assert (group["state"], group["by"], group["note"], group["count"]) == (
        "acknowledged", "user:ann", "mine", 2,
    )  # fmt: skip


def test_what_is_ignored_for_a_time_asks_again_when_that_is_over(store, clock):
    park(store, "a")
    store.groups.ignore(GROUP, "user:ann", "known", until=iso(T0 + 600))
    park(store, "b", at=300.0)
    assert store.groups.find(life="ignored")[0]["until"] == iso(T0 + 600)
    assert store.groups.waiting() == 0
    clock.time = T0 + 601
    assert store.groups.get(GROUP)["state"] == "open"
    assert store.groups.waiting() == 1
    park(store, "c", at=602.0)
    assert store.groups.get(GROUP)["reopened"] == 1


def test_what_is_ignored_up_to_a_rate_asks_again_above_it(store):
    park(store, "a")
    store.groups.ignore(GROUP, "user:ann", above=3)
    park(store, "b", "c", at=60.0)
    park(store, "d", "e", "f", at=120.0)
    assert store.groups.get(GROUP)["state"] == "ignored"
    park(store, "g", at=121.0)
    assert store.groups.get(GROUP)["state"] == "open"


def test_a_decision_that_can_not_be_is_refused(store, clock):
    park(store, "a")
    for wrong in ({}, {"until": iso(clock.time - 1)}, {"above": 0}):
        with pytest.raises(Refused):
            store.groups.ignore(GROUP, "user:ann", **wrong)
    with pytest.raises(Refused):
        store.groups.find(life="lost")
    with pytest.raises(NotFound):
        store.groups.acknowledge("nobody's", "user:ann")


def test_groups_by_type_time_and_text_are_counted_from_the_letters(store):
    park(store, "a", "b", at=1.0)
    park(store, "c", at=100.0)
    assert [g["count"] for g in store.groups.find(type="order.placed")] == [3]
    assert [g["count"] for g in store.groups.find(since=T0 + 50)] == [1]
    assert sum(store.groups.find(since=T0 + 50)[0]["bars"]) == 1
    assert store.groups.find(type="order.paid") == []


def test_the_last_success_is_the_newest(store):
    ok = [delivery(event(id), started=at) for id, at in (("a", 5.0), ("b", 9.0), ("c", 7.0))]
    store.projection.apply_records([record(*ok[:2], at=10), record(ok[2], at=11)])
    store.projection.apply_records([record(delivery(event("d"), started=2.0), at=12)])
    assert store.groups.last_success(SUBSCRIPTION, "order.placed")["event_id"] == "b"
    assert store.groups.last_success(SUBSCRIPTION, "order.paid") is None
