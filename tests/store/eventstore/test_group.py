"""Group commit: who comes at the same time is served together, each with an outcome of its own."""

from __future__ import annotations

import ctypes
import random
import threading
import time

import pytest

from app.errors import Unavailable
from app.store.eventstore.group import Group, _Waiting


def test_each_gets_its_own_outcome_and_nobody_is_forgotten():
    sizes = []

    def together(asked):
        sizes.append(len(asked))
        return [ValueError(one) if one % 7 == 0 else one * 2 for one in asked]

    group = Group(together)
    results = {}

    def ask(first):
        for n in range(first, first + 200):
            try:
                results[n] = group.do(n)
            except ValueError as error:
                results[n] = error.args[0]

    threads = [threading.Thread(target=ask, args=(1000 * n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(results) == 1600 == sum(sizes)
    assert all(got == (n if n % 7 == 0 else n * 2) for n, got in results.items())


def test_what_fails_for_all_is_told_to_all_and_the_next_group_is_served():
    entered, go = threading.Event(), threading.Event()
    broken = [True]

    def together(asked):
        entered.set()
        go.wait(30)
        if broken and len(asked) > 1:
            broken.clear()
            raise OSError("no disk")
        return asked

    group = Group(together)
    failed = []

    def ask():
        try:
            group.do(1)
        except OSError as error:
            failed.append(error)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    threads[0].start()
    assert entered.wait(30)
    for thread in threads[1:]:
        thread.start()
    while len(group._queue) < 3:
        pass
    go.set()
    for thread in threads:
        thread.join(30)
    assert len(failed) == 3
    assert group.do(5) == 5


def test_an_interrupt_of_the_one_who_writes_is_not_the_others():
    group = Group(lambda asked: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        group.do(1)
    with pytest.raises(KeyboardInterrupt):
        group.do(2)


def test_who_sees_that_it_is_served_finds_the_next_one_served_too(monkeypatch):
    """It may look before it was woken, and wakes the next at once, which would wait again."""
    early = []

    def set_done(one, value):
        if one.next is not None and one.next not in served:
            early.append(one)
        served.add(one)

    served: set[object] = set()
    monkeypatch.setattr(_Waiting, "done", property(served.__contains__, set_done))
    sizes = []

    def together(asked):
        sizes.append(len(asked))
        time.sleep(0.002)
        return asked

    group = Group(together)
    threads = [threading.Thread(target=lambda: [group.do(n) for n in range(20)]) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sum(sizes) == 120
    assert max(sizes) > 2
    assert not early


class Interrupted(BaseException):
    pass


def test_who_is_interrupted_while_waiting_holds_nobody_up():
    entered, go = threading.Event(), threading.Event()

    def together(asked):
        entered.set()
        assert go.wait(30)
        return asked

    group = Group(together)
    outcomes = []

    def ask(n):
        try:
            outcomes.append(group.do(n))
        except Interrupted:
            outcomes.append("interrupted")

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(3)]
    threads[0].start()
    assert entered.wait(30)
    for waiting, thread in enumerate(threads[1:], 1):
        thread.start()
        while len(group._queue) < waiting:
            pass
    # The first in the queue would lead the next group.
    ctypes.pythonapi.PyThreadState_SetAsyncExc(
        ctypes.c_ulong(threads[1].ident), ctypes.py_object(Interrupted)
    )
    go.set()
    for thread in threads:
        thread.join(30)
    assert sorted(outcomes, key=str) == [0, 2, "interrupted"]
    assert group.do(5) == 5


def test_whoever_is_interrupted_wherever_nobody_waits_for_ever():
    def together(asked):
        return [one * 2 for one in asked]

    group = Group(together)
    ending = threading.Event()
    wrong, interrupted = [], []

    def ask(first):
        n, last = first, first + 300
        while n < last:
            try:
                while n < last:
                    if group.do(n) != n * 2:
                        wrong.append(n)
                    n += 1
            except (Interrupted, Unavailable) as error:
                interrupted.append(error)
                n += 1

    threads = [threading.Thread(target=ask, args=(1000 * n,), daemon=True) for n in range(6)]
    for thread in threads:
        thread.start()

    def torment():
        dice = random.Random(7)
        while not ending.wait(0.0005):
            ctypes.pythonapi.PyThreadState_SetAsyncExc(
                ctypes.c_ulong(dice.choice(threads[:4]).ident), ctypes.py_object(Interrupted)
            )

    tormentor = threading.Thread(target=torment)
    tormentor.start()
    for thread in threads[4:]:  # these are never interrupted
        thread.join(30)
    ending.set()
    tormentor.join()
    for thread in threads:
        thread.join(30)
    assert not any(thread.is_alive() for thread in threads)
    assert not wrong
    assert group.do(5) == 10


def test_the_last_of_those_who_were_served_together_leads_without_waiting():
    leaders = []

    def together(asked):
        leaders.append((threading.get_ident(), len(asked)))
        time.sleep(0.02)  # a slow disk, so that all come back while it is worth waiting
        return asked

    group = Group(together)

    def ask():
        for n in range(20):
            group.do(n)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sum(size for _, size in leaders) == 80
    assert len(leaders) < 80
    assert len({leader for leader, _ in leaders}) > 1


def test_those_who_all_come_back_are_waited_for_longer_until_one_stays_away():
    ends = time.monotonic() + 60

    def together(asked):
        time.sleep(0.002)
        return asked

    group = Group(together)
    came = threading.Event()

    def ask():
        while not came.is_set() and time.monotonic() < ends:
            group.do(1)
            if group._trust > 1:
                came.set()

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert came.is_set()
    group._trust, group._around, group._took, group._ended = 8.0, 3, 0.01, time.perf_counter()
    group.do(1)
    assert group._trust == 1
