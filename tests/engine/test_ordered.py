"""Order by key holds through kills, retries, and scaling from one worker to four and back."""

from __future__ import annotations

import os
import signal
from collections import defaultdict

from tests.engine.rig import Rig, until

KEYS, EVENTS = 5, 600


def _assert_in_order(rig: Rig, numbers: int) -> None:
    """The outputs of each key came in the order of its events."""
    by_key: dict[str | None, list[int]] = defaultdict(list)
    for event in rig.events("ordered", "done"):
        by_key[event.partitionkey].append(event.data["n"])
    for key, seen in by_key.items():
        assert seen == sorted(seen), f"key {key} is out of order"
    assert sum(map(len, by_key.values())) == numbers
    first: dict[int, float] = {}
    for line in rig.trace.lines("end"):
        first.setdefault(line.n, line.at)
    for key in range(KEYS):
        moments = [first[n] for n in range(numbers) if n % KEYS == key]
        assert moments == sorted(moments), f"key {key} was handled out of order"


def _publish(rig: Rig) -> None:
    rig.publish(
        "ordered",
        range(EVENTS),
        key=lambda n: f"key-{n % KEYS}",
        sleep=0.003,
        fail=lambda n: n % 97 == 5,
    )


def _done(rig: Rig, share: float) -> None:
    until(lambda: len(rig.outputs("ordered")) > EVENTS * share, what=rig.logs)


def test_order_holds_through_kills_and_retries(rig: Rig) -> None:
    workers = rig.pair()
    _publish(rig)
    for share in (0.1, 0.3, 0.5):
        _done(rig, share)
        owner = rig.trace.lines("begin")[-1].pid
        busy = next(one for one in workers if owner in (one.pid, *one.children()))
        if owner != busy.pid and share < 0.4:
            os.kill(owner, signal.SIGKILL)  # a child
        else:
            busy.kill()
            workers.remove(busy)
            workers.append(rig.start(pool="threads"))
    rig.await_outputs("ordered", range(EVENTS))
    _assert_in_order(rig, EVENTS)
    assert not rig.parked()


def test_order_holds_from_one_worker_to_four_and_back(rig: Rig) -> None:
    workers = [rig.start().ready()]
    _publish(rig)
    _done(rig, 0.1)
    workers += [rig.start(pool="threads"), rig.start(pool="threads"), rig.start(pool="threads")]
    [worker.ready() for worker in workers]
    for worker, share in zip(workers[:3], (0.3, 0.5, 0.7), strict=True):
        _done(rig, share)
        worker.stop()
        assert worker.status(20) == 0
    rig.await_outputs("ordered", range(EVENTS))
    _assert_in_order(rig, EVENTS)
    assert set(rig.trace.ended().values()) == {1}
