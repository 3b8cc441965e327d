"""kill -9 under load, of a child, a worker and all workers: nothing lost, nothing twice."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable

from tests.engine.rig import Rig, WorkerProcess, until

LOAD = 1500
Started = Callable[[str], Rig]


def _half_done(rig: Rig, kind: str, share: float) -> None:
    until(
        lambda: len(rig.outputs(kind)) > LOAD * share,
        what=lambda: f"{share:.0%} of {LOAD} done, not {len(rig.outputs(kind))}\n{rig.logs()}",
    )


def test_a_killed_child_loses_nothing(started: Started) -> None:
    rig = started("prefork")
    (worker,) = rig.workers
    rig.publish("plain", range(LOAD), sleep=0.002)
    for share in (0.1, 0.3, 0.5):
        _half_done(rig, "plain", share)
        os.kill(worker.children()[0], signal.SIGKILL)
    rig.await_outputs("plain", range(LOAD))
    assert not rig.parked()


def test_a_dead_child_is_noticed_though_its_slot_is_wanted_at_once(started: Started) -> None:
    """Another child is free and there is work: the dead one's slot waits until its death was seen."""
    rig = started("prefork")
    (worker,) = rig.workers
    before = _deaths(worker)
    for n in range(3):
        rig.publish("plain", [n], gate=f"gate-{n}")
        (first,) = until(lambda n=n: rig.trace.begun(n), what="it begins")
        rig.publish("plain", [100 + n])  # which rings once more
        until(lambda n=n: rig.outputs("plain")[100 + n], what="its neighbour is done")
        os.kill(first.pid, signal.SIGKILL)
        until(
            lambda n=n: _deaths(worker) == before + n + 1, what=lambda: f"it is seen\n{rig.logs()}"
        )
        until(lambda n=n: len(rig.trace.begun(n)) == 2, what="it begins again")
        rig.let_go(f"gate-{n}")
    rig.await_outputs("plain", [0, 1, 2, 100, 101, 102])


def test_the_only_child_killed_is_replaced_soon(rig: Rig) -> None:
    """While its pool starts, and at work."""
    worker = rig.start(slots=1, ENGINE_TEST_DIE_AT_START="yes")
    until((rig.folder / "died-at-start").exists, what="its child dies")
    rig.publish("plain", range(2), gate="let-go")
    (child,) = {line.pid for line in until(lambda: rig.trace.begun(0), what="the first begins")}
    os.kill(child, signal.SIGKILL)
    killed = time.time()
    rig.let_go("let-go")
    rig.await_outputs("plain", range(2))
    assert rig.trace.begun(0)[-1].at - killed < 10
    assert worker.process.poll() is None


def _deaths(worker: WorkerProcess) -> int:
    return worker.log.read_text().count("a child process died")


def test_killed_workers_lose_nothing(rig: Rig) -> None:
    """One of processes, then one of threads, each with a share of what is done; a third goes on."""
    doomed = [rig.start(pool="prefork", slots=3), rig.start(pool="threads", slots=3)]
    other = rig.start()
    for worker in (*doomed, other):
        worker.ready()
    rig.publish("effect", range(10_000, 10_003), gate="let-go")
    rig.publish("plain", range(LOAD), sleep=0.002)
    for worker, share in zip(doomed, (0.1, 0.4), strict=True):
        pids = {worker.pid, *worker.children()}
        until(lambda pids=pids: {line.pid for line in rig.trace.lines()} & pids, what="it works")
        _half_done(rig, "plain", share)
        worker.kill()
    killed = time.time()
    rig.let_go("let-go")
    rig.await_outputs("plain", range(LOAD))
    rig.await_outputs("effect", range(10_000, 10_003))
    assert set(rig.effects().values()) == {1}
    assert max(line.at for line in rig.trace.lines("begin")) - killed < 30
    assert not rig.parked()


def test_all_workers_killed_at_once_lose_nothing(rig: Rig) -> None:
    workers = rig.pair()
    rig.publish("effect", range(120), sleep=0.02)
    until(lambda: len(rig.outputs("effect")) > 20, what="some are done")
    for worker in workers:
        worker.kill_group()
    done = set(rig.outputs("effect"))
    rig.start().ready()
    ready = time.monotonic()
    until(lambda: set(rig.outputs("effect")) - done, seconds=10, what="the work is picked up")
    assert time.monotonic() - ready < 10
    rig.await_outputs("effect", range(120))
    assert set(rig.effects().values()) == {1}
    assert not rig.parked()
