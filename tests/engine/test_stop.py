"""SIGTERM under load: an exit in time, status 0, and the rest at once with somebody else."""

from __future__ import annotations

import time

import pytest

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
