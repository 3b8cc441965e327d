"""SIGTERM under load: an exit in time, status 0, and the rest at once with somebody else."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from app.errors import Conflict
from app.streams import keys
from app.subscriptions.watch import BUSY_REST
from tests.engine.rig import Rig, until

Started = Callable[[str], Rig]


@pytest.mark.parametrize(
    ("pool", "group"),
    [("prefork", False), ("prefork", True), ("threads", True), ("solo", False)],
)
def test_sigterm_hands_the_rest_to_others_at_once(started: Started, pool: str, group: bool) -> None:
    rig = started("threads")
    other, ending = rig.workers[0], rig.start(pool=pool).ready()
    rig.publish("plain", range(400), sleep=0.02)
    mine = {ending.pid, *ending.children()}
    until(lambda: {line.pid for line in rig.trace.lines("end")} & mine, what="it does some")
    until(lambda: len(rig.outputs("plain")) > 20, what="some are done")
    ending.stop(group=group)
    stopped = time.monotonic()
    assert ending.status(15) == 0, rig.logs()
    assert time.monotonic() - stopped < 10
    rig.await_outputs("plain", range(400))
    twice = [line for n, times in rig.trace.ended().items() if times > 1
             for line in rig.trace.lines(n=n)]  # fmt: skip
    if not rig.trace.longest() > BUSY_REST:  # what is held up behind an event is given to others
        assert not twice, "handled twice because of a clean stop"
    assert [worker["pid"] for worker in rig.platform.workers.list()] == [other.pid]


@pytest.mark.parametrize("pool", ["prefork", "solo"])
def test_an_operator_stops_one_worker_and_another_goes_on(started: Started, pool: str) -> None:
    rig = started("threads")
    other, ending = rig.workers[0], rig.start(pool=pool).ready()
    workers = rig.platform.workers
    id = next(worker["id"] for worker in workers.list() if worker["pid"] == ending.pid)
    assert workers.get(id)["memory"] > 1_000_000
    until(lambda: len(said := workers.code()) == 2 and None not in said, what="they say their code")
    rig.publish("plain", range(100), sleep=0.02)
    until(lambda: len(rig.outputs("plain")) > 10, what="some are done")
    workers.stop(id, "user:ann", "it leaks")
    with pytest.raises(Conflict):
        workers.stop(id, "user:ann")
    assert ending.status(15) == 0, rig.logs()
    rig.await_outputs("plain", range(100))
    assert set(rig.trace.ended().values()) == {1}
    assert [worker["pid"] for worker in workers.list()] == [other.pid]
    assert rig.redis.hlen(keys.CODE) == 1
    assert rig.platform.audit.find(action="worker.stopped").items[0]["target"] == f"worker:{id}"


def test_handlers_that_do_not_end_in_the_time_given_are_handed_back(rig: Rig) -> None:
    """In a worker of each pool, whose five slots are all in a handler that waits."""
    pools = {"prefork": 2, "threads": 2, "solo": 1}
    ending = [
        rig.start(pool=pool, slots=slots, PENSTOCK_GRACE_SECONDS="2")
        for pool, slots in pools.items()
    ]
    for worker in ending:
        worker.ready()
    rig.publish("plain", range(5), gate="let-go")
    until(lambda: len(rig.trace.lines("begin")) == 5, what="they begin")
    for worker in ending:
        worker.stop()
    stopped = time.monotonic()
    for worker in ending:
        assert worker.status(15) == 0, rig.logs()
    assert 1.5 < time.monotonic() - stopped < 12
    assert not rig.open("plain")
    rig.let_go("let-go")
    rig.start().ready()
    rig.await_outputs("plain", range(5))
    assert {len(rig.trace.begun(n)) for n in range(5)} == {2}
    assert not rig.parked()


def test_sigterm_ends_a_worker_cleanly_that_still_waits_for_the_server(rig: Rig) -> None:
    """Celery has no handlers yet; the end would be by the signal, which a platform takes for a crash."""
    waiting = rig.start(REDIS_URL="redis://127.0.0.1:1")
    until(lambda: "waiting for the database and Redis" in waiting.log.read_text(), what=rig.logs)
    waiting.stop()
    assert waiting.status(15) == 0, rig.logs()
