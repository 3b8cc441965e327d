"""`@on_all`: a handler that runs once when all have arrived, whatever happens on the way."""

from __future__ import annotations

import itertools
import threading
from typing import Any

import pytest

from app import RetryPolicy, on_all
from app.errors import Refused
from app.subscriptions.declaration import Handlers
from tests.contract.worker import Killed
from tests.contract.world import World


class Joined:
    """A join of two types in a world, and what its handler was given."""

    def __init__(self, world: World, **options: Any):
        self.world = world
        self.got: list[dict[str, Any]] = []
        self.fails: list[BaseException] = []
        options = {"name": "ship", "emits": ["order.shipped"], "by": "subject", **options}

        def ship(events, ctx):
            if self.fails:
                raise self.fails.pop()
            self.got.append({type: event.data for type, event in events.items()})
            return {"paid": events["invoice.paid"].data, "packed": events["parcel.packed"].data}

        on_all(["invoice.paid", "parcel.packed"], handlers=world.handlers, **options)(ship)

    def shipped(self) -> list[Any]:
        return [event.data for event in self.world.events("order.shipped")]


@pytest.mark.parametrize(
    "order", list(itertools.permutations([("invoice.paid", 1), ("parcel.packed", 2)]))
)
def test_it_runs_once_when_all_have_arrived(world: World, order):
    join = Joined(world)
    for type, data in order:
        assert join.got == []
        world.publish(type, data, subject="o-1")
        world.run()
    world.publish("invoice.paid", 3, subject="o-1")  # late: changes nothing
    world.run()

    assert join.got == [{"invoice.paid": 1, "parcel.packed": 2}]
    assert join.shipped() == [{"paid": 1, "packed": 2}]
    assert world.events("order.shipped")[0].subject == "o-1"


def test_keys_do_not_mix_and_the_first_of_a_type_counts(world: World):
    join = Joined(world)
    for subject in ("a", "b"):
        world.publish("invoice.paid", f"{subject}1", subject=subject)
    world.publish("invoice.paid", "a2", subject="a")
    for subject in ("b", "a"):
        world.publish("parcel.packed", subject, subject=subject)
    world.run()

    assert sorted(join.shipped(), key=str) == [
        {"paid": "a1", "packed": "a"},
        {"paid": "b1", "packed": "b"},
    ]


def test_a_run_forks_and_joins(world: World):
    @world.on("order.placed", emits=["invoice.paid", "parcel.packed"])
    def fork(event, ctx):
        ctx.emit("invoice.paid", 1)
        ctx.emit("parcel.packed", 2)

    Joined(world, by="correlationid")
    root = world.publish("order.placed")
    world.run()

    (shipped,) = world.events("order.shipped")
    assert shipped.correlationid == root.id


def test_a_path_into_the_data_is_a_key_and_without_one_an_event_is_parked(world: World):
    join = Joined(world, by="data.order.id")
    world.publish("invoice.paid", {"order": {"id": 7}})
    world.publish("parcel.packed", {"order": {"id": 7}})
    world.publish("parcel.packed", {"order": None})
    world.run()

    assert len(join.shipped()) == 1
    assert [letter.reason for letter in world.letters] == ["rejected"]
    assert "data.order.id" in str(world.letters[0].attempts[-1])


def test_when_the_time_is_over_first_an_event_says_what_was_missing(world: World):
    join = Joined(world, within="1h")
    paid = world.publish("invoice.paid", 1, subject="o-1")
    world.run()
    world.advance(3599)
    assert world.events("join.expired") == []
    world.advance(2)
    world.publish("parcel.packed", 2, subject="o-1")
    world.run()

    (expired,) = world.events("join.expired")
    assert expired.subject == "ship"
    assert expired.data["missing"] == ["parcel.packed"]
    assert expired.data["arrived"] == {"invoice.paid": paid.id}
    assert expired.correlationid == paid.id
    assert join.got == []


def test_a_deadline_is_called_back_by_the_last_arrival(world: World):
    Joined(world, within=60)
    world.publish("invoice.paid", 1, subject="o-1")
    world.publish("parcel.packed", 1, subject="o-1")
    world.run()
    world.advance(120)

    assert world.events("deadline.passed", "join.expired") == []


def test_a_failure_takes_only_the_last_arrival_with_it(world: World):
    join = Joined(world, retry=RetryPolicy(attempts=3, base=10, jitter=False))
    join.fails = [ValueError("first"), ValueError("second")]
    world.publish("invoice.paid", 1, subject="o-1")
    world.publish("parcel.packed", 2, subject="o-1")
    world.run()
    assert join.got == []
    world.advance(10)
    world.advance(20)

    assert join.got == [{"invoice.paid": 1, "parcel.packed": 2}]
    assert len(join.shipped()) == 1


@pytest.mark.parametrize("settling", [False, True])
def test_a_kill_neither_loses_nor_doubles(world: World, settling: bool):
    join = Joined(world)
    world.publish("invoice.paid", 1, subject="o-1")
    world.run()
    world.publish("parcel.packed", 2, subject="o-1")
    if not settling:
        join.fails = [Killed()]
    world.worker().run_until_killed(settling=settling)
    world.run()

    assert len(join.got) == 1
    assert len(join.shipped()) == 1


def test_arrivals_at_the_same_time_make_one(world: World):
    join = Joined(world)
    for number in range(20):
        world.publish("invoice.paid", number, subject=str(number))
        world.publish("parcel.packed", number, subject=str(number))
    workers = [world.worker() for _ in range(3)]
    threads = [threading.Thread(target=worker.run) for worker in workers]
    if type(world).__name__ == "MemoryWorld":  # one thread is all that the twin has
        threads = threads[:1]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    world.run()

    assert sorted(one["paid"] for one in join.shipped()) == list(range(20))
    assert len(join.got) == 20


def test_after_a_rewind_joins_are_made_again(world: World):
    join = Joined(world)
    world.publish("invoice.paid", 1, subject="o-1")
    world.publish("parcel.packed", 2, subject="o-1")
    world.run()
    world.rewind("ship")
    world.run()

    assert len(join.got) == 2
    assert len({event.id for event in world.events("order.shipped")}) == 2


def test_a_parked_last_arrival_joins_when_it_is_replayed(world: World):
    join = Joined(world, retry=RetryPolicy(attempts=1))
    join.fails = [ValueError("no")]
    world.publish("invoice.paid", 1, subject="o-1")
    world.publish("parcel.packed", 2, subject="o-1")
    world.run()
    world.replay(*world.letters)
    world.run()

    assert join.got == [{"invoice.paid": 1, "parcel.packed": 2}]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"by": "color"}, "attribute"),
        ({"within": "soon"}, "duration"),
        ({"within": 0}, "more than 0"),
    ],
)
def test_a_declaration_that_cannot_work_is_refused(options, message):
    with pytest.raises(Refused, match=message):
        on_all(["a.done", "b.done"], handlers=Handlers(), **options)(lambda events, ctx: None)
    with pytest.raises(Refused, match="two or more"):
        on_all(["a.done"], handlers=Handlers())(lambda events, ctx: None)
