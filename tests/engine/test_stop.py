"""SIGTERM under load: an exit in time, status 0, and the rest at once with somebody else."""

from __future__ import annotations

import time

import pytest

from app.errors import Conflict
from tests.engine.rig import Rig, until


@pytest.mark.parametrize(
    ("pool", "group"),
    [("prefork", False), ("prefork", True), ("threads", True), ("solo", False)],
)
def test_sigterm_hands_the_rest_to_others_at_once(rig: Rig, pool: str, group: bool) -> None:
    ending, other = rig.start(pool=pool), rig.start(pool=pool)
    ending.ready(), other.ready()
    rig.publish("plain", range(400), sleep=0.02)
    until(lambda: len(rig.outputs("plain")) > 20, what="some are done")
    ending.stop(group=group)
    stopped = time.monotonic()
    assert ending.status(15) == 0, rig.logs()
    assert time.monotonic() - stopped < 10
    rig.await_outputs("plain", range(400))
    assert set(rig.trace.ended().values()) == {1}, "handled twice because of a clean stop"
    assert [worker["pid"] for worker in rig.platform.workers.list()] == [other.pid]


@pytest.mark.parametrize("pool", ["prefork", "threads", "solo"])
def test_a_handler_that_does_not_end_in_the_time_given_is_handed_back(rig: Rig, pool: str) -> None:
    ending = rig.start(pool=pool, PENSTOCK_GRACE_SECONDS="2").ready()
    rig.publish("plain", [1], gate="let-go")
    until(lambda: rig.trace.begun(1), what="it begins")
    ending.stop()
    stopped = time.monotonic()
    assert ending.status(15) == 0, rig.logs()
    assert 1.5 < time.monotonic() - stopped < 10
    assert not rig.open("plain")
    rig.let_go("let-go")
    rig.start().ready()
    rig.await_outputs("plain", [1])
    assert len(rig.trace.begun(1)) == 2
    assert not rig.parked()


@pytest.mark.parametrize("pool", ["prefork", "solo"])
def test_an_operator_stops_one_worker_and_another_goes_on(rig: Rig, pool: str) -> None:
    ending, other = rig.start(pool=pool).ready(), rig.start(pool=pool).ready()
    workers = rig.platform.workers
    id = next(worker["id"] for worker in workers.list() if worker["pid"] == ending.pid)
    assert workers.get(id)["memory"] > 1_000_000
    rig.publish("plain", range(100), sleep=0.02)
    until(lambda: len(rig.outputs("plain")) > 10, what="some are done")
    workers.stop(id, "user:ann", "it leaks")
    with pytest.raises(Conflict):
        workers.stop(id, "user:ann")
    assert ending.status(15) == 0, rig.logs()
    rig.await_outputs("plain", range(100))
    assert set(rig.trace.ended().values()) == {1}
    assert [worker["pid"] for worker in workers.list()] == [other.pid]
    assert rig.platform.audit.find(action="worker.stopped").items[0]["target"] == f"worker:{id}"


def test_sigterm_ends_a_worker_cleanly_that_still_waits_for_the_server(rig: Rig) -> None:
    """Celery has no handlers yet; the end would be by the signal, which a platform takes for a crash."""
    waiting = rig.start(REDIS_URL="redis://127.0.0.1:1")
    until(lambda: "waiting for the database and Redis" in waiting.log.read_text(), what=rig.logs)
    waiting.stop()
    assert waiting.status(15) == 0, rig.logs()
