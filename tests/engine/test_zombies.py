"""A worker that stood still past its lease settles nothing, emits nothing, commits nothing."""

from __future__ import annotations

import signal
import time

import pytest

from tests.engine.rig import Rig, WorkerProcess, until
from tests.engine.timing import RECLAIM


def _wake(zombie: WorkerProcess) -> None:
    zombie.signal_all(signal.SIGCONT)


@pytest.mark.parametrize(
    ("pool", "order"), [("prefork", "after"), ("prefork", "while"), ("threads", "while")]
)
def test_a_zombie_changes_nothing(rig: Rig, pool: str, order: str) -> None:
    """It comes back after the new owner settled, or while the new owner is still at work."""
    zombie = rig.start(pool=pool).ready()
    rig.publish("effect", range(8), gate="let-go")
    until(lambda: rig.trace.lines("begin"), what="the zombie begins")
    zombie.freeze()
    began = len(rig.trace.lines("begin"))
    owner = rig.start(pool=pool).ready()
    pids = {owner.pid, *owner.children()}
    until(
        lambda: {line.pid for line in rig.trace.lines("begin")} & pids,
        seconds=RECLAIM + 20,
        what=rig.logs,
    )
    if order == "after":
        rig.let_go("let-go")
        rig.await_outputs("effect", range(8))
        _wake(zombie)
    else:
        _wake(zombie)
        until(lambda: len(rig.platform.workers.list()) == 2, what="the zombie beats again")
        rig.let_go("let-go")
    until(lambda: "fenced" in zombie.log.read_text(), what=rig.logs)
    rig.await_outputs("effect", range(8))
    assert rig.effects() == dict.fromkeys(range(8), 1)
    assert len(rig.trace.lines("begin")) > began
    rig.publish("plain", range(20))
    rig.await_outputs("plain", range(20))
    assert not rig.parked()


@pytest.mark.parametrize("kind", ["committed"])
def test_a_crash_between_the_commit_and_the_settle(rig: Rig, kind: str) -> None:
    rig.start().ready()
    rig.publish(kind, range(5))
    rig.await_outputs(kind, range(5))
    assert rig.effects() == dict.fromkeys(range(5), 1)
    assert {len(rig.trace.begun(n)) for n in range(5)} == {1}, "handled again after its commit"


def test_a_worker_that_dies_whole_is_followed_within_ten_seconds(rig: Rig) -> None:
    doomed = rig.start().ready()
    rig.publish("plain", [1], gate="let-go")
    until(lambda: rig.trace.begun(1), what="it begins")
    rig.start().ready()
    doomed.kill_group()
    killed = time.time()
    rig.let_go("let-go")
    rig.await_outputs("plain", [1])
    assert rig.trace.begun(1)[-1].at - killed < 10
