"""The server dies, loses its connections, or stands still: workers resume by themselves."""

from __future__ import annotations

import itertools
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from app.errors import Unavailable
from tests.engine.rig import Rig, until
from tests.engine.timing import RECLAIM


@contextmanager
def producing(rig: Rig, first: int = 1000) -> Iterator[list[int]]:
    """A producer that repeats what was refused; the numbers that were acknowledged."""
    accepted: list[int] = []
    ending = threading.Event()

    def produce() -> None:
        for n in itertools.count(first):
            while not ending.is_set():
                try:
                    rig.publish("plain", [n], sleep=0.002)
                    accepted.append(n)
                    break
                except Unavailable:
                    ending.wait(0.05)
            if ending.wait(0.002):
                return

    thread = threading.Thread(target=produce)
    thread.start()
    try:
        yield accepted
    finally:
        ending.set()
        thread.join()


def _grows(accepted: list[int]) -> None:
    before = len(accepted)
    until(lambda: len(accepted) > before + 50, what="the producer goes on")


def _done_grows(rig: Rig, seconds: float) -> None:
    before = len(rig.outputs("plain"))
    until(lambda: len(rig.outputs("plain")) > before, seconds=seconds, what=rig.logs)


def test_a_killed_server_that_comes_back(make_rig: Callable[..., Rig]) -> None:
    rig = make_rig(fsync="always")
    workers = rig.pair()
    rig.publish("plain", [1], sleep=RECLAIM + 2)
    until(lambda: rig.trace.begun(1), what="the long one begins")
    with producing(rig) as accepted:
        for _ in range(2):
            _grows(accepted)
            rig.server.process.kill()
            rig.server.process.wait()
            rig.server.start()
            rig.server.wait_ready()
            _grows(accepted)
            _done_grows(rig, seconds=15)
    rig.await_outputs("plain", [*accepted, 1])
    assert len(rig.trace.begun(1)) == 1
    assert not rig.parked()
    assert all(worker.process.poll() is None for worker in workers)


def test_connections_that_are_cut(rig: Rig) -> None:
    rig.pair()
    with producing(rig) as accepted:
        for _ in range(5):
            _grows(accepted)
            rig.redis.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        _done_grows(rig, seconds=15)
    rig.await_outputs("plain", accepted)
    assert not rig.parked()


def test_a_server_that_stands_still_makes_nobody_steal(rig: Rig) -> None:
    rig.pair()
    rig.publish("plain", range(4), sleep=RECLAIM * 2 + 2)
    until(lambda: len(rig.trace.lines("begin")) == 4, what="the long ones begin")
    with producing(rig) as accepted:
        _grows(accepted)
        rig.server.process.send_signal(signal.SIGSTOP)
        time.sleep(RECLAIM * 2)  # the pause is what is tested
        rig.server.process.send_signal(signal.SIGCONT)
        _grows(accepted)
    rig.await_outputs("plain", [*accepted, *range(4)])
    assert {len(rig.trace.begun(n)) for n in range(4)} == {1}
    twice = {n: times for n, times in rig.trace.ended().items() if times > 1}
    assert not twice, f"handled twice because of the pause: {twice}"


def test_a_long_outage_is_over_when_the_server_is_back(make_rig: Callable[..., Rig]) -> None:
    """Celery waits up to half a minute between its own attempts: leases don't wait for it."""
    rig = make_rig(fsync="always")
    rig.pair()
    rig.publish("plain", range(1000), sleep=0.02)
    until(lambda: len(rig.outputs("plain")) > 20, what="events flow")
    rig.server.process.kill()
    rig.server.process.wait()
    time.sleep(14)  # past the length of a lease, into Celery's longer waits
    rig.server.start()
    rig.server.wait_ready()
    before = len(rig.outputs("plain"))
    until(lambda: len(rig.outputs("plain")) > before + 100, seconds=4, what=rig.logs)
    rig.await_outputs("plain", range(1000))
