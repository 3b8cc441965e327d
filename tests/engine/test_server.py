"""The server dies, loses its connections, or stands still: workers resume by themselves."""

from __future__ import annotations

import itertools
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from app.errors import Unavailable
from tests.engine.rig import Rig, until
from tests.engine.timing import RECLAIM

STILL, AWAY = 20.0, 14.0
"""Seconds for which a server stands still, and for which another one is not there."""


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


@pytest.fixture(scope="module")
def shared(make_shared_rig: Callable[..., Rig]) -> Rig:
    """A server that syncs each write, and a pair of workers."""
    rig = make_shared_rig(fsync="always")
    rig.pair()
    return rig


def _restart(rig: Rig) -> None:
    rig.server.start()
    rig.server.wait_ready()


def _kill(rig: Rig) -> None:
    rig.server.process.kill()
    rig.server.process.wait()


def _assert_they_live(rig: Rig) -> None:
    assert all(worker.process.poll() is None for worker in rig.workers)


def test_a_killed_server_that_comes_back(shared: Rig) -> None:
    rig = shared
    rig.publish("plain", [1], sleep=RECLAIM + 2)
    until(lambda: rig.trace.begun(1), what="the long one begins")
    with producing(rig) as accepted:
        for _ in range(2):
            _grows(accepted)
            _kill(rig)
            _restart(rig)
            _grows(accepted)
            _done_grows(rig, seconds=15)
    rig.await_outputs("plain", [*accepted, 1])
    assert len(rig.trace.begun(1)) == 1
    assert not rig.parked()
    _assert_they_live(rig)


def test_connections_that_are_cut(shared: Rig) -> None:
    rig = shared
    rig.forget()
    with producing(rig) as accepted:
        for _ in range(5):
            _grows(accepted)
            rig.redis.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        _done_grows(rig, seconds=15)
    rig.await_outputs("plain", accepted)
    assert not rig.parked()
    _assert_they_live(rig)


def test_a_server_that_comes_back_with_an_empty_memory(shared: Rig) -> None:
    """Who lives makes known again what it forgot: topics, groups, workers, and what operators decided."""
    rig, name = shared, "tests.engine.handlers.plain"
    rig.forget()
    rig.publish("plain", [1])
    rig.await_outputs("plain", [1])
    rig.platform.subscriptions.pause(name, "test")
    rig.redis.flushall()

    def is_paused() -> bool:
        decided = rig.platform.decisions()[1].get(name)
        return decided is not None and decided.paused

    until(is_paused, what=rig.logs)
    numbers = itertools.count(2)
    until(
        lambda: (
            rig.publish("plain", [next(numbers)]) or "plain" in rig.platform.stream_topics.all()
        ),
        what="its topic is known",
    )
    until(lambda: len(rig.platform.workers.list()) == 2, what=rig.logs)
    rig.platform.subscriptions.resume(name, "test")
    rig.await_outputs("plain", range(2, next(numbers)))
    assert not rig.parked()
    _assert_they_live(rig)


def test_a_server_that_stands_still_and_one_that_is_long_away(
    shared: Rig, make_rig: Callable[..., Rig]
) -> None:
    """Two installations at once, since both tests are of time that passes.

    Nobody steals because of 20 seconds in which a server stood still. After an outage work goes on
    when the server is back: Celery waits up to half a minute between its own attempts, leases don't.
    """
    away, still = shared, make_rig()
    still.pair()
    away.forget()
    still.publish("plain", range(4), sleep=STILL + 4)
    until(lambda: len(still.trace.lines("begin")) == 4, what="the long ones begin")
    away.publish("plain", range(1000), sleep=0.02)
    until(lambda: len(away.outputs("plain")) > 20, what="events flow")
    with producing(still) as accepted:
        _grows(accepted)
        still.server.process.send_signal(signal.SIGSTOP)
        stopped = time.monotonic()
        _kill(away)
        time.sleep(AWAY)  # past the length of a lease, into Celery's longer waits
        _restart(away)
        before = len(away.outputs("plain"))
        until(lambda: len(away.outputs("plain")) > before + 100, seconds=4, what=away.logs)
        time.sleep(max(0.0, stopped + STILL - time.monotonic()))  # the pause is what is tested
        still.server.process.send_signal(signal.SIGCONT)
        _grows(accepted)
    away.await_outputs("plain", range(1000))
    still.await_outputs("plain", [*accepted, *range(4)])
    assert {len(still.trace.begun(n)) for n in range(4)} == {1}
    twice = {n: times for n, times in still.trace.ended().items() if times > 1}
    assert not twice, f"handled twice because of the pause: {twice}"
    for rig in (away, still):
        assert not rig.parked()
        _assert_they_live(rig)
