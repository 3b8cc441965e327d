"""An operator's hand while events flow, and a server whose memory is full."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from app.errors import Unavailable
from app.events.event import Event
from tests.engine.rig import Rig, WorkerProcess, until

NAME = "tests.engine.handlers.plain"


@pytest.fixture(scope="module")
def two_lanes(make_shared_rig: Callable[..., Rig]) -> Rig:
    """A worker of the lane in which handlers are declared, and one of two others."""
    rig = make_shared_rig()
    workers = rig.start(slots=3), rig.start(pool="threads", lanes="inference,training")
    for worker in workers:
        worker.ready()
    return rig


@pytest.fixture
def lanes(two_lanes: Rig) -> Rig:
    two_lanes.forget()
    return two_lanes


@pytest.fixture
def first(lanes: Rig) -> WorkerProcess:
    return lanes.workers[0]


@pytest.fixture
def other(lanes: Rig) -> WorkerProcess:
    return lanes.workers[1]


def _quiet(rig: Rig) -> bool:
    """Nothing has begun for half a second."""
    lines = rig.trace.lines("begin")
    return time.time() - lines[-1].at > 0.5


def test_pause_and_resume_are_seen_within_a_second(lanes: Rig) -> None:
    rig = lanes
    rig.publish("plain", range(600), sleep=0.005)
    until(lambda: len(rig.outputs("plain")) > 50, what="events flow")
    paused = time.time()
    rig.platform.subscriptions.pause(NAME, "test")
    until(lambda: _quiet(rig), what="it is quiet")
    assert rig.trace.lines("begin")[-1].at - paused < 5
    assert len(rig.outputs("plain")) < 600
    assert not rig.open("plain")
    begun = len(rig.trace.lines("begin"))
    resumed = time.time()
    rig.platform.subscriptions.resume(NAME, "test")
    until(lambda: len(rig.trace.lines("begin")) > begun, what="it flows again")
    assert rig.trace.lines("begin")[begun].at - resumed < 5
    rig.await_outputs("plain", range(600))
    assert set(rig.trace.ended().values()) == {1}


def test_a_pause_does_not_wait_for_what_was_read_before_events_grew_slow(lanes: Rig) -> None:
    """Nor is that handled when the backlog is skipped meanwhile."""
    rig = lanes
    slow = range(1500, 1650)
    rig.publish("plain", range(1500))
    rig.publish("plain", slow, sleep=0.3)
    until(lambda: rig.trace.lines("begin")[-1:] and rig.trace.lines("begin")[-1].n in slow)
    rig.platform.subscriptions.pause(NAME, "test")
    until(lambda: _quiet(rig), what="it is quiet")
    rig.platform.subscriptions.skip(NAME, "test")
    rig.platform.subscriptions.resume(NAME, "test")
    until(lambda: rig.settled("plain"), what="nothing is open")
    handled = {line.n for line in rig.trace.lines("begin") if line.n in slow}
    assert len(handled) < 75, "it goes on with all that it read"


def test_a_changed_policy_is_seen_within_a_second(lanes: Rig) -> None:
    rig = lanes
    rig.publish("plain", range(300), sleep=0.01)
    until(lambda: len(rig.outputs("plain")) > 20, what="events flow")
    rig.platform.subscriptions.update(NAME, {"retry": {"attempts": 1}}, "test")
    changed = time.monotonic()
    rig.publish("plain", [1000], fail=True)
    (delivery,) = until(rig.parked, what="one attempt, and it is parked")
    assert delivery["letter"]["reason"] == "exhausted"
    assert len(delivery["letter"]["attempts"]) == 1
    assert time.monotonic() - changed < 20


def test_a_subscription_moves_to_another_lane_while_it_runs(
    lanes: Rig, first: WorkerProcess, other: WorkerProcess
) -> None:
    """What is in hand is finished where it is; the rest goes on in the other lane, once and at once."""
    rig = lanes
    rig.publish("plain", range(600), sleep=0.01)
    until(lambda: len(rig.outputs("plain")) > 50, what="events flow")
    rig.platform.subscriptions.update(NAME, {"lane": "inference"}, "test")
    moved = time.time()
    theirs = {other.pid, *other.children()}
    until(lambda: {line.pid for line in rig.trace.lines("begin")} & theirs, what=rig.logs)
    taken = min(line.at for line in rig.trace.lines("begin") if line.pid in theirs)
    assert taken - moved < 5
    rig.await_outputs("plain", range(600))
    last = max(line.at for line in rig.trace.lines("begin") if line.pid not in theirs)
    assert last - moved < 5, "the lane that it left goes on with it"
    assert set(rig.trace.ended().values()) == {1}, "handled twice because of the move"
    rig.platform.subscriptions.update(NAME, {"lane": None}, "test")
    rig.publish("plain", range(600, 620))
    rig.await_outputs("plain", range(620))
    assert {rig.trace.begun(n)[0].pid for n in range(600, 620)}.isdisjoint(theirs)


@pytest.mark.parametrize("lane", ["default", "inference"])
def test_a_handler_in_hand_keeps_its_time_limit_when_its_subscription_moves(
    lanes: Rig, first: WorkerProcess, other: WorkerProcess, lane: str
) -> None:
    """In a worker of processes, and in one of threads."""
    rig = lanes
    name = "tests.engine.handlers.hung"
    if lane != "default":
        rig.platform.subscriptions.update(name, {"lane": lane}, "test")
    rig.publish("hung", [1], hang=True)
    until(lambda: rig.trace.begun(1), what="it hangs")
    to, taker = ("training", other) if lane == "default" else ("default", first)
    rig.platform.subscriptions.update(name, {"lane": to}, "test")
    rig.await_outputs("hung", [1])
    assert rig.trace.begun(1)[1].pid in (taker.pid, *taker.children())
    rig.let_go("let-go")
    if lane != "default":
        until(lambda: rig.trace.ended()[1] == 2, what="the first execution ends, too late")


def test_limits_reach_a_worker_that_runs(lanes: Rig) -> None:
    """The filter, how many at once, how many a second, and how long: each while events flow."""
    rig = lanes

    def change(**changes: object) -> None:
        rig.platform.subscriptions.update(NAME, changes, "test")

    rig.publish("plain", range(3), gate="first")
    until(lambda: len(rig.trace.lines("begin")) == 3, what="three at once")
    change(concurrency=1)
    rig.let_go("first")
    rig.await_outputs("plain", range(3))
    rig.publish("plain", range(3, 6), gate="second")
    until(lambda: len(rig.trace.lines("begin")) == 4, what="one begins")
    rig.platform.publisher.publish([rig.event("effect", 0)])
    until(lambda: rig.outputs("effect"), what="another subscription is not limited")
    assert len(rig.trace.lines("begin")) == 5, "one at once"
    change(concurrency=None)
    until(lambda: len(rig.trace.lines("begin")) == 7, what="three at once again")
    change(filter={"exact": {"subject": "wanted"}})
    rig.let_go("second")
    rig.await_outputs("plain", range(6))
    rig.publish("plain", range(6, 12), subject=lambda n: "wanted" if n == 11 else "no")
    rig.await_outputs("plain", [*range(6), 11])
    change(filter=None, rate=5)
    rig.publish("plain", range(12, 42))
    until(lambda: rig.outputs("plain")[14], what="they come one after the other")
    assert len(rig.outputs("plain")) < 30, "five a second"
    change(rate=None, timeout=1.0)
    rig.await_outputs("plain", [*range(6), *range(11, 42)])
    rig.publish("plain", [50], gate="never")
    until(lambda: len(rig.trace.begun(50)) > 1, what="it is ended, and tried again")
    rig.let_go("never")
    rig.await_outputs("plain", [*range(6), *range(11, 42), 50])


def test_a_high_ones_event_passes_a_low_ones_backlog(lanes: Rig) -> None:
    rig = lanes
    rig.platform.subscriptions.update(NAME, {"priority": "low"}, "test")
    rig.platform.subscriptions.update("tests.engine.handlers.effect", {"priority": "high"}, "test")
    rig.publish("plain", range(1000), sleep=0.005)
    until(lambda: len(rig.outputs("plain")) > 50, what="events flow")
    rig.publish("effect", range(1000, 1005))
    until(lambda: rig.trace.ended().keys() >= set(range(1000, 1005)), what="the high ones are done")
    assert len(rig.outputs("plain")) < 1000, "they waited for the whole backlog"
    rig.await_outputs("plain", range(1000))
    rig.await_outputs("effect", range(1000, 1005))


def test_skipping_the_backlog_leaves_it_out_and_takes_what_comes(lanes: Rig) -> None:
    rig = lanes
    rig.publish("plain", range(500), sleep=0.02)
    until(lambda: len(rig.outputs("plain")) > 10, what="events flow")
    rig.platform.subscriptions.skip(NAME, "test")
    skipped = time.time()
    rig.publish("plain", range(500, 520))
    until(lambda: set(rig.outputs("plain")) >= set(range(500, 520)), what=rig.logs)
    until(lambda: rig.settled("plain"), what="nothing is open")
    assert rig.trace.begun(500)[0].at - skipped < 5
    assert len(rig.outputs("plain")) < 500
    assert not rig.parked()


@pytest.fixture(scope="module")
def shared_pair(make_shared_rig: Callable[..., Rig]) -> Rig:
    rig = make_shared_rig()
    rig.pair()
    return rig


@pytest.fixture
def pair(shared_pair: Rig) -> Rig:
    shared_pair.forget()
    return shared_pair


def test_a_rewind_with_leases_open(pair: Rig) -> None:
    rig = pair
    rig.publish("plain", range(40), sleep=0.01)
    rig.await_outputs("plain", range(40))
    rig.publish("plain", range(40, 44), gate="let-go")
    until(lambda: rig.trace.lines("begin", 40), what="leases are open")
    rig.platform.subscriptions.rewind(NAME, "earliest", "test")
    until(lambda: rig.trace.ended()[39] == 2, what="it is handled again")
    rig.let_go("let-go")
    until(lambda: rig.settled("plain") and len(rig.outputs("plain")) == 44, what=rig.logs)
    outputs = rig.outputs("plain")
    # What came out before the rewind, and again as new events after it; what was fenced, once.
    assert {n: outputs[n] for n in range(40)} == dict.fromkeys(range(40), 2)
    assert {n: outputs[n] for n in range(40, 44)} == dict.fromkeys(range(40, 44), 1)
    ids = [event.id for event in rig.events("plain", "done")]
    assert len(ids) == len(set(ids)) == 84


def _fill(rig: Rig) -> None:
    """Fill the memory until the server refuses."""
    used = rig.redis.info("memory")["used_memory"]
    rig.redis.config_set("maxmemory", used + 64 * 1024)
    for n in range(1000):
        try:
            rig.platform.publisher.publish(
                [Event(type="ballast.put", id=f"b{n}", data="x" * 10_000)]
            )
        except Unavailable:
            return
    raise AssertionError("the memory was never full")


def test_full_memory(pair: Rig) -> None:
    rig, workers = pair, pair.workers
    rig.publish("ordered", range(200), key="one", gate="let-go", fail=lambda n: n == 100)
    rig.publish("plain", range(200), gate="let-go", fail=lambda n: n % 50 == 0)
    until(lambda: rig.trace.lines("begin"), what="they begin")
    _fill(rig)
    rig.let_go("let-go")
    rig.await_outputs("plain", range(200))
    rig.await_outputs("ordered", range(200))
    beat = rig.platform.workers.list()[0]["beat"]
    until(lambda: rig.platform.workers.list()[0]["beat"] > beat, what="it still beats")
    with pytest.raises(Unavailable, match="maxmemory"):
        rig.publish("plain", [500])
    rig.redis.config_set("maxmemory", 0)
    rig.publish("plain", [500])
    rig.await_outputs("plain", [*range(200), 500])
    assert all(worker.process.poll() is None for worker in workers)
    assert not rig.parked()
