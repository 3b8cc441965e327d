"""A worker that stood still past its lease settles nothing, emits nothing, commits nothing."""

from __future__ import annotations

import signal
import time

import pytest

from tests.engine.rig import Rig, WorkerProcess, until
from tests.engine.timing import RECLAIM


def _wake(zombie: WorkerProcess) -> None:
    zombie.signal_all(signal.SIGCONT)


def _fenced(worker: WorkerProcess) -> int:
    return worker.log.read_text().count("fenced")


@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_a_zombie_changes_nothing(rig: Rig, pool: str) -> None:
    """It comes back while the new owner is still at work; then again, after everything was settled."""
    zombie = rig.start(pool=pool).ready()
    rig.publish("effect", range(8), gate="first")
    until(lambda: rig.trace.lines("begin"), what="the zombie begins")
    zombie.freeze()
    owner = rig.start(pool=pool).ready()
    owners = {owner.pid, *owner.children()}
    until(
        lambda: {line.pid for line in rig.trace.lines("begin")} & owners,
        seconds=RECLAIM + 20,
        what=rig.logs,
    )
    _wake(zombie)
    until(lambda: len(rig.platform.workers.list()) == 2, what="the zombie beats again")
    rig.let_go("first")
    until(lambda: _fenced(zombie), what=rig.logs)
    rig.await_outputs("effect", range(8))

    fenced = _fenced(zombie)
    rig.publish("effect", range(8, 16), gate="second")
    until(lambda: _begun(rig, owners, 8), what="the zombie begins again")
    zombie.freeze()
    rig.let_go("second")
    rig.await_outputs("effect", range(16))
    _wake(zombie)
    until(lambda: _fenced(zombie) > fenced, what=rig.logs)
    rig.publish("plain", range(20))
    rig.await_outputs("plain", range(20))
    assert rig.effects() == dict.fromkeys(range(16), 1)
    assert set(rig.outputs("effect").values()) == {1}
    assert not rig.parked()


def _begun(rig: Rig, others: set[int], first: int) -> bool:
    """Whether the zombie has begun one of the events from `first` on."""
    return any(line.n >= first and line.pid not in others for line in rig.trace.lines("begin"))


def test_a_crash_between_the_commit_and_the_settle_and_one_of_the_whole_worker(rig: Rig) -> None:
    doomed = rig.start().ready()
    rig.publish("committed", range(5))
    rig.await_outputs("committed", range(5))
    assert rig.effects() == dict.fromkeys(range(5), 1)
    assert {len(rig.trace.begun(n)) for n in range(5)} == {1}, "handled again after its commit"

    rig.publish("plain", [100], gate="let-go")
    until(lambda: rig.trace.begun(100), what="it begins")
    rig.start().ready()
    doomed.kill_group()
    killed = time.time()
    rig.let_go("let-go")
    rig.await_outputs("plain", [100])
    assert rig.trace.begun(100)[-1].at - killed < 10
