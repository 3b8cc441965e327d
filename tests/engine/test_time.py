"""Slow, long, hung and deadly handlers: they keep nobody waiting, are executed once, ended at their
time, and parked after three losses."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.engine.rig import Rig, until
from tests.engine.timing import HUNG, RECLAIM

Started = Callable[[str], Rig]


@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_nothing_waits_for_a_slow_neighbour(started: Started, pool: str) -> None:
    rig = started(pool)
    rig.publish("plain", range(12), gate=lambda n: "let-go" if n == 5 else "")
    until(lambda: len(rig.outputs("plain")) == 11, seconds=15, what=rig.logs)
    assert len(rig.trace.begun(5)) == 1
    rig.let_go("let-go")
    rig.await_outputs("plain", range(12))
    assert set(rig.trace.ended().values()) == {1}


def test_a_handler_far_longer_than_the_reclaim_time_is_executed_once(rig: Rig) -> None:
    workers = rig.pair()
    rig.publish("plain", range(4), sleep=RECLAIM * 1.6)  # more than one worker has slots for
    until(lambda: len(rig.trace.lines("begin")) == 4, what="the long ones begin")
    busy = {line.pid for line in rig.trace.lines("begin")}
    assert all(busy & {worker.pid, *worker.children()} for worker in workers)
    rig.publish("plain", range(4, 300), sleep=0.005)
    rig.await_outputs("plain", range(300))
    assert set(rig.trace.ended().values()) == {1}
    assert {len(rig.trace.begun(n)) for n in range(4)} == {1}


@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_a_hung_handler_ends_at_its_timeout_and_is_tried_again(started: Started, pool: str) -> None:
    rig = started(pool)
    rig.publish("hung", [1], hang=True)
    rig.publish("hung", range(2, 40))
    until(lambda: len(rig.trace.begun(1)) == 2, what="the hung one is tried again")
    first, second = rig.trace.begun(1)
    assert HUNG < second.at - first.at < HUNG + 5
    rig.await_outputs("hung", range(1, 40))
    if pool == "threads":
        rig.let_go("let-go")  # the first one ends, too late: fenced
        until(lambda: rig.trace.ended()[1] == 2, what="the first execution ends")
        (worker,) = rig.workers
        until(lambda: "fenced" in worker.log.read_text(), what="it was fenced")
    assert rig.outputs("hung")[1] == 1
    assert len(rig.trace.begun(1)) == 2
    assert not rig.parked()


def test_an_event_that_kills_its_process_is_parked_and_its_neighbours_are_handled(
    started: Started,
) -> None:
    rig = started("prefork")
    killers = [20, 70]
    rig.publish("plain", range(100), die=lambda n: n in killers, sleep=0.001)
    rig.await_outputs("plain", set(range(100)) - set(killers))
    until(lambda: len(rig.parked()) == 2, what="both are parked")
    for delivery in rig.parked():
        assert delivery["letter"]["reason"] == "killed"
        assert delivery["event"]["id"] in ("plain-20", "plain-70")
    assert [len(rig.trace.begun(n)) for n in killers] == [3, 3]


def test_a_killer_in_a_batch_is_isolated(started: Started) -> None:
    rig = started("prefork")
    rig.publish("batch", range(60), die=lambda n: n == 30, subject="yes")
    rig.await_outputs("batch", set(range(60)) - {30})
    (delivery,) = until(rig.parked, what="the killer is parked")
    assert (delivery["event"]["id"], delivery["letter"]["reason"]) == ("batch-30", "killed")


@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_events_that_a_filter_keeps_out_leave_nothing_behind(started: Started, pool: str) -> None:
    rig = started(pool)
    wanted = [n for n in range(200) if n % 3]
    rig.publish("batch", range(200), subject=lambda n: "yes" if n % 3 else "no")
    rig.await_outputs("batch", wanted)
    assert set(rig.trace.ended()) == set(wanted)
    assert set(rig.trace.ended().values()) == {1}
