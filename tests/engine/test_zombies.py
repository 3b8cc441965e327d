"""A worker that stood still past its lease settles nothing, emits nothing, commits nothing."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable

from tests.engine.rig import Rig, WorkerProcess, until
from tests.engine.timing import RECLAIM


def _wake(zombie: WorkerProcess) -> None:
    zombie.signal_all(signal.SIGCONT)


def _fenced(worker: WorkerProcess) -> int:
    return worker.log.read_text().count("fenced")


def test_a_zombie_changes_nothing(make_rig: Callable[..., Rig]) -> None:
    """It comes back while the new owner is still at work; then again, after everything was settled.

    In a pool of processes and in one of threads, side by side: most of it is waiting.
    """
    places = [_Place(make_rig(), pool) for pool in ("prefork", "threads")]
    for step in (
        _Place.stands_still,
        _Place.is_followed,
        _Place.comes_back_too_early,
        _Place.stands_still_again,
        _Place.comes_back_too_late,
    ):
        for place in places:
            step(place)


class _Place:
    """An installation with a worker that becomes a zombie."""

    def __init__(self, rig: Rig, pool: str):
        self.rig, self.pool = rig, pool
        self.zombie = rig.start(pool=pool)
        rig.publish("effect", range(8), gate="first")

    def stands_still(self) -> None:
        until(lambda: self.rig.trace.lines("begin"), seconds=60, what="the zombie begins")
        self.zombie.freeze()
        self.owner = self.rig.start(pool=self.pool)

    def is_followed(self) -> None:
        self.owner.ready()
        self.owners = {self.owner.pid, *self.owner.children()}
        until(
            lambda: {line.pid for line in self.rig.trace.lines("begin")} & self.owners,
            seconds=RECLAIM + 20,
            what=self.rig.logs,
        )

    def comes_back_too_early(self) -> None:
        rig = self.rig
        _wake(self.zombie)
        until(lambda: len(rig.platform.workers.list()) == 2, what="the zombie beats again")
        rig.let_go("first")
        until(lambda: _fenced(self.zombie), what=rig.logs)
        rig.await_outputs("effect", range(8))

    def stands_still_again(self) -> None:
        rig = self.rig
        self.fenced = _fenced(self.zombie)
        rig.publish("effect", range(8, 16), gate="second")
        until(lambda: _begun(rig, self.owners, 8), what="the zombie begins again")
        self.zombie.freeze()
        rig.let_go("second")

    def comes_back_too_late(self) -> None:
        rig = self.rig
        rig.await_outputs("effect", range(16))
        _wake(self.zombie)
        until(lambda: _fenced(self.zombie) > self.fenced, what=rig.logs)
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
